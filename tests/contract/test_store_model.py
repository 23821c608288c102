"""SQLite against the reference: whatever is done to both, in whatever order, however the clock jumps and whenever the
process is killed, they say the same and the laws of core/job.py hold.

A few seconds by default, always the same ones. `PRREVIEW_MODEL_EXAMPLES=5000 pytest tests/contract/test_store_model.py`
is the soak: other ones each time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from prreview_cli.core.circuit import Down, Event, Limited, Service, Up
from prreview_cli.core.errors import Stopped
from prreview_cli.core.events import Cancel, Ignore, Review
from prreview_cli.core.job import (
    TRANSITIONS,
    WAITING,
    AttemptCost,
    Dead,
    Defer,
    HandBack,
    Job,
    Lease,
    Outcome,
    Posted,
    Retry,
    Skipped,
    State,
    Superseded,
    Target,
)
from prreview_cli.core.pace import Pace
from prreview_cli.core.ports.store import Attempt, Beat, Capacity, CapReached, Caps, Store
from prreview_cli.core.retry import Policy
from prreview_cli.core.review import Usage
from prreview_cli.store import open_store
from prreview_cli.store.memory import MemoryStore
from prreview_cli.store.memory.tables import Tables
from support.clocks import FakeClock
from support.stores import NOON, OWNER, REVIEW, delivery, sqlite_url, target

T = TypeVar("T")

SOAK = int(os.environ.get("PRREVIEW_MODEL_EXAMPLES", "0"))
WORKERS = st.sampled_from(["w1", "w2", "w3"])
SECONDS = st.sampled_from([-3600.0, -20.0, -0.001, 0.001, 1.0, 20.0, 60.0, 90000.0])
OFFSETS = st.sampled_from([-10, 0, 0, 0, 10])
JOBS = st.integers(1, 6).map(lambda number: f"j{number:08d}")
PRIORITIES = st.sampled_from([0, 0, 0, 1, 2, -1])
CAPACITIES = st.builds(Capacity, st.integers(1, 3), st.integers(0, 1))
STEPS_APART = {(before, after) for (before, _), after in TRANSITIONS.items()}
REACHABLE = STEPS_APART | {(first, last) for first, middle in STEPS_APART for again, last in STEPS_APART if again == middle}


class StoresAgree(RuleBasedStateMachine):
    """Each rule does one thing to both stores and compares the answers; the invariants compare what they hold."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="prreview-model-"))
        self.lives = 0
        self.clock = FakeClock()
        self.tables = Tables()
        self.reference: Store = MemoryStore(self.clock, self.tables)
        self.subject: Store = self.opened()
        self.now = NOON
        self.leases: list[Lease] = []
        self.reservations: list[str] = []
        self.states: dict[str, State] = {}
        self.claims: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "subject"):
            self.runner.run(self.subject.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    @property
    def life(self) -> Path:
        """The folder of the present life of the database."""
        return self.folder / str(self.lives)

    def opened(self) -> Store:
        return self.runner.run(open_store(sqlite_url(self.life / "q.db"), clock=self.clock, **OWNER))

    def both(self, act: Callable[[Store], Awaitable[T]]) -> T:
        """The answer that both give."""

        async def answer(store: Store) -> Any:
            try:
                return await act(store)
            except (CapReached, Stopped, ValueError) as refused:
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

    @rule(worker=WORKERS, capacity=CAPACITIES, lease_s=st.sampled_from([30.0, 30.0, 3.0]))
    def claim(self, worker: str, capacity: Capacity, lease_s: float) -> None:
        lease = self.both(lambda store: store.jobs.claim(worker, capacity, lease_s, self.now))
        if lease is not None:
            self.leases.append(lease)
            self.expect_within(capacity, lease)

    @rule(head=st.sampled_from("abc"), number=st.integers(1, 2), worker=WORKERS, capacity=CAPACITIES, again=st.booleans(), offset=OFFSETS)
    def take(self, head: str, number: int, worker: str, capacity: Capacity, again: bool, offset: int) -> None:
        wanted, now = self.wanted(head, number, offset, again=again), self.now
        taken = self.both(lambda store: store.jobs.take(wanted, worker, capacity, 60, 30, now))
        if isinstance(taken, Lease):
            self.leases.append(taken)
            self.expect_within(capacity, taken)

    def expect_within(self, capacity: Capacity, lease: Lease) -> None:
        """Whoever took a job has left the bounds whole."""
        running = self.both(lambda store: store.jobs.list([State.RUNNING], None))
        assert len(running) <= capacity.reviews
        of_repository = [job for job in running if job.repository_id == lease.job.repository_id]
        assert not capacity.per_repository or len(of_repository) <= capacity.per_repository

    @rule(worker=WORKERS)
    def beat(self, worker: str) -> None:
        beat = Beat(worker, 100, 2, self.now, 1)
        self.both(lambda store: store.pools.beat(beat))

    @rule(worker=WORKERS)
    def leave(self, worker: str) -> None:
        self.both(lambda store: store.pools.leave(worker))

    @rule()
    def crash(self) -> None:
        """As after kill -9: what the next process finds is the files as they are, and locks that nobody holds."""
        died, killed = self.life, self.subject
        self.lives += 1
        shutil.copytree(died, self.life, ignore=shutil.ignore_patterns("*-shm"))
        self.reference, self.subject = MemoryStore(self.clock, self.tables), self.opened()
        self.runner.run(killed.close())
        shutil.rmtree(died)

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
    @rule(data=st.data(), lease_s=st.sampled_from([30.0, 30.0, 3.0]))
    def keep(self, data: st.DataObject, lease_s: float) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        self.both(lambda store: store.jobs.standing(lease))
        self.both(lambda store: store.jobs.renew(lease, lease_s))

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

    @rule(data=st.data(), service=st.sampled_from(Service), kind=st.sampled_from(["down", "limited", "up", "up"]))
    def note(self, data: st.DataObject, service: Service, kind: str) -> None:
        fence, now = data.draw(st.sampled_from([("j00000099", 1), *(lease.fence for lease in self.leases)])), self.now
        events: dict[str, Event] = {
            "down": Down("529.", fence, Policy(5, 1.0, 60.0), 0.5, now + timedelta(seconds=5)),
            "limited": Limited("429.", now + timedelta(seconds=10)),
            "up": Up(),
        }
        self.both(lambda store: store.circuits.note(service, events[kind], now))

    @rule(apart_s=st.sampled_from([0.0, 10.0]))
    def write(self, apart_s: float) -> None:
        now = self.now
        self.both(lambda store: store.turns.next(Pace(apart_s, 3, 60.0), 30, now))

    @rule(limit=st.integers(0, 3), age=st.sampled_from([0.0, 30.0]))
    def prune(self, limit: int, age: float) -> None:
        before = self.now - timedelta(seconds=age)
        self.both(lambda store: store.jobs.prune(before, limit))
        self.states.clear()

    @rule(limit=st.integers(0, 3), age=st.sampled_from([0.0, 30.0]))
    def prune_what_was_paid(self, limit: int, age: float) -> None:
        before = self.now - timedelta(seconds=age)
        self.both(lambda store: store.reviews.prune(before, limit))
        self.both(lambda store: store.spend.prune(before, limit))

    @rule(seconds=SECONDS)
    def jump(self, seconds: float) -> None:
        """The time of day is set; nothing else passes."""
        self.now += timedelta(seconds=seconds)

    @rule(seconds=st.sampled_from([1.0, 10.0, 60.0]))
    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.runner.run(self.clock.advance(seconds))

    @invariant()
    def they_hold_the_same(self) -> None:
        self.both(lambda store: store.jobs.depth(self.now))
        self.both(lambda store: store.switches.paused(self.now))
        self.both(lambda store: store.circuits.all())
        self.both(lambda store: store.spend.today(self.now))
        self.both(lambda store: store.spend.requests_by_status())
        self.both(lambda store: store.spend.total())
        self.both(lambda store: store.jobs.review_seconds())
        self.both(lambda store: store.pools.alive(self.now - timedelta(seconds=30)))
        self.both(lambda store: store.jobs.ended(self.now - timedelta(days=1), self.now + timedelta(seconds=1)))
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
            assert job.claim >= self.claims.get(job.id, 0)
            attempts = self.attempts_of(job)
            assert [attempt.claim for attempt in attempts] == list(range(1, job.claim + 1)), "each taking is written down"
            assert [attempt.claim for attempt in attempts if attempt.ended is None] == [job.claim] * (job.state is State.RUNNING)
        self.states = {job.id: job.state for job in jobs}
        self.claims = {job.id: job.claim for job in jobs}

    def attempts_of(self, job: Job) -> list[Attempt]:
        history = self.runner.run(self.reference.jobs.history(job.repository, job.number))
        return [attempt for attempt in history.attempts if attempt.job == job.id]


# A failure is shown as it was found: shrinking takes minutes. Add Phase.shrink when you hunt one.
StoresAgree.TestCase.settings = settings(
    max_examples=SOAK or 12,
    stateful_step_count=60 if SOAK else 40,
    derandomize=not SOAK,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
test_the_stores_agree = StoresAgree.TestCase
