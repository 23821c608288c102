"""SQLite against the reference: whatever is done to both, in whatever order and however the clock jumps, they say the same."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prreview_cli.core.errors import Stopped
from prreview_cli.core.events import Cancel, Ignore, Review
from prreview_cli.core.job import (
    TRANSITIONS,
    WAITING,
    AttemptCost,
    Dead,
    Defer,
    HandBack,
    Lease,
    Outcome,
    Posted,
    Retry,
    Skipped,
    State,
    Superseded,
    Target,
)
from prreview_cli.core.ports.store import Capacity, CapReached, Caps, Store
from prreview_cli.core.review import Usage
from prreview_cli.store import open_store
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock
from support.stores import NOON, OWNER, REVIEW, delivery, sqlite_url, target

T = TypeVar("T")

SECONDS = st.sampled_from([-3600.0, -20.0, -0.001, 0.001, 1.0, 20.0, 60.0, 90000.0])
OFFSETS = st.sampled_from([-10, 0, 0, 0, 10])
JOBS = st.integers(1, 6).map(lambda number: f"j{number:08d}")
PRIORITIES = st.sampled_from([0, 0, 0, 1, -1])
STEPS_APART = {(before, after) for (before, _), after in TRANSITIONS.items()}
REACHABLE = STEPS_APART | {(first, last) for first, middle in STEPS_APART for again, last in STEPS_APART if again == middle}


class StoresAgree(RuleBasedStateMachine):
    """Each rule does one thing to both stores and compares the answers; the invariants compare what they hold."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="prreview-compare-"))
        self.clock = FakeClock()
        self.reference: Store = MemoryStore(self.clock)
        self.subject: Store = self.runner.run(open_store(sqlite_url(self.folder / "q.db"), clock=self.clock, **OWNER))
        self.now = NOON
        self.leases: list[Lease] = []
        self.reservations: list[str] = []
        self.states: dict[str, State] = {}

    def teardown(self) -> None:
        if hasattr(self, "subject"):
            self.runner.run(self.subject.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    def both(self, act: Callable[[Store], Awaitable[T]]) -> T:
        """The answer that both give."""

        async def answer(store: Store) -> Any:
            try:
                return await act(store)
            except (CapReached, Stopped) as refused:
                return type(refused).__name__, str(refused)

        expected, found = self.runner.run(answer(self.reference)), self.runner.run(answer(self.subject))
        assert found == expected
        return expected  # type: ignore[no-any-return]

    def wanted(self, head: str, number: int, offset: int, **changes: Any) -> Target:
        return target(head, number=number, updated_at=self.now + timedelta(seconds=offset), **changes)

    @rule(
        head=st.sampled_from("abc"),
        number=st.integers(1, 2),
        repository_id=st.sampled_from([7, 7, 8]),
        offset=OFFSETS,
        interval=st.sampled_from([0.0, 60.0]),
        base_ref=st.sampled_from(["main", "main", "next"]),
        flags=st.tuples(st.booleans(), st.booleans(), st.sampled_from([False, False, True])),
        priority=PRIORITIES,
    )
    def push(
        self,
        head: str,
        number: int,
        repository_id: int,
        offset: int,
        interval: float,
        base_ref: str,
        flags: tuple[bool, bool, bool],
        priority: int,
    ) -> None:
        admitted, new_base, again = flags
        changes = {"base_ref": base_ref, "admitted": admitted, "new_base": new_base, "again": again, "priority": priority}
        decision = Review(self.wanted(head, number, offset, repository_id=repository_id, **changes))
        now = self.now
        self.both(lambda store: store.jobs.accept(delivery(decision, now), decision, interval, now))

    @rule(number=st.integers(1, 2), offset=OFFSETS)
    def close_pull(self, number: int, offset: int) -> None:
        decision, now = Cancel(7, "octo/demo", number, self.now + timedelta(seconds=offset), "Closed."), self.now
        self.both(lambda store: store.jobs.accept(delivery(decision, now), decision, 0, now))

    @rule()
    def ping(self) -> None:
        decision, now = Ignore("A ping."), self.now
        self.both(lambda store: store.jobs.accept(delivery(decision, now), decision, 0, now))

    @rule(worker=st.sampled_from(["w1", "w2"]), reviews=st.integers(1, 3), per_repository=st.integers(0, 1))
    def claim(self, worker: str, reviews: int, per_repository: int) -> None:
        lease = self.both(lambda store: store.jobs.claim(worker, Capacity(reviews, per_repository), 30, self.now))
        if lease is not None:
            self.leases.append(lease)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), delay=st.sampled_from([-5.0, 0.0, 20.0]), head=st.sampled_from("abc"), offset=OFFSETS)
    def settle(self, data: st.DataObject, delay: float, head: str, offset: int) -> None:
        lease, due = data.draw(st.sampled_from(self.leases)), self.now + timedelta(seconds=delay)
        live = self.wanted(head, lease.job.number, offset, repository_id=lease.job.repository_id)
        outcomes: list[Outcome] = [
            Posted("r-1"),
            Skipped("No."),
            Skipped("No.", unadmitted=True),
            Superseded("Newer."),
            Superseded("Newer.", live=live),
            Retry("model_overloaded", "529.", due),
            Defer("Wait.", due),
            HandBack("A drain."),
            Dead("internal", "No."),
            Dead("repository_forbidden", "403.", whole_repository=True),
        ]
        outcome, now = data.draw(st.sampled_from(outcomes)), self.now
        self.both(lambda store: store.jobs.settle(lease, outcome, AttemptCost(1, 0.5), now))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def keep(self, data: st.DataObject) -> None:
        lease, now = data.draw(st.sampled_from(self.leases)), self.now
        self.both(lambda store: store.jobs.standing(lease))
        self.both(lambda store: store.jobs.renew(lease, 30, now))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), paid=st.booleans())
    def review(self, data: st.DataObject, paid: bool) -> None:
        lease, now = data.draw(st.sampled_from(self.leases)), self.now
        self.both(lambda store: store.jobs.begin(lease, now))
        if paid:
            self.both(lambda store: store.reviews.store(lease, REVIEW, now))
        self.both(lambda store: store.reviews.of(lease.job.id))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), usd=st.sampled_from([0.25, 0.5]))
    def reserve(self, data: st.DataObject, usd: float) -> None:
        lease, now = data.draw(st.sampled_from([None, *self.leases])), self.now
        reservation = self.both(lambda store: store.spend.reserve(lease, usd, Caps(1, 1.5, 2), now))
        if isinstance(reservation, str):
            self.reservations.append(reservation)

    @precondition(lambda self: self.reservations)
    @rule(data=st.data(), status=st.sampled_from([200, 429, None]))
    def pay(self, data: st.DataObject, status: int | None) -> None:
        reservation, now = data.draw(st.sampled_from(self.reservations)), self.now
        self.both(lambda store: store.spend.settle(reservation, Usage(10, 5, 0.125, 1), status, now))

    @rule(max_attempts=st.integers(1, 3))
    def rescue(self, max_attempts: int) -> None:
        self.both(lambda store: store.jobs.rescue(max_attempts, self.now))

    @rule(job=JOBS, cancels=st.booleans())
    def by_hand(self, job: str, cancels: bool) -> None:
        now = self.now
        self.both(lambda store: store.jobs.cancel(job, "By hand.", now) if cancels else store.jobs.retry(job, now))

    @rule(seconds=st.sampled_from([None, 10.0]), resumes=st.booleans())
    def switch(self, seconds: float | None, resumes: bool) -> None:
        now, until = self.now, None if seconds is None else self.now + timedelta(seconds=seconds)
        self.both(lambda store: store.switches.pause("A pause.", now, until))
        if resumes:
            self.both(lambda store: store.switches.resume(now))

    @rule(limit=st.integers(0, 3), age=st.sampled_from([0.0, 30.0]))
    def prune(self, limit: int, age: float) -> None:
        before = self.now - timedelta(seconds=age)
        self.both(lambda store: store.jobs.prune(before, limit))
        self.states.clear()

    @rule(seconds=SECONDS)
    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def they_hold_the_same(self) -> None:
        self.both(lambda store: store.jobs.depth(self.now))
        self.both(lambda store: store.switches.paused(self.now))
        self.both(lambda store: store.spend.today(self.now))
        self.both(lambda store: store.spend.requests_by_status())
        for number in (1, 2):
            self.both(lambda store, number=number: store.jobs.history("OCTO/demo", number))  # type: ignore[misc]

    @invariant()
    def the_laws_hold(self) -> None:
        jobs = self.both(lambda store: store.jobs.list([], None))
        for states in (WAITING, {State.RUNNING}):
            pulls = [(job.repository_id, job.number) for job in jobs if job.state in states]
            assert len(pulls) == len(set(pulls))
        for job in jobs:
            before = self.states.get(job.id, job.state)
            assert before == job.state or (before, job.state) in REACHABLE
        self.states = {job.id: job.state for job in jobs}


# A failure is shown as it was found: shrinking takes minutes. Add Phase.shrink when you hunt one.
StoresAgree.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=40,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
test_the_stores_agree = StoresAgree.TestCase
