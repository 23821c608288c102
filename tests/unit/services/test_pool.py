"""The pool on the memory store: how many, how long, how it ends."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from prreview_cli.core import errors, retry
from prreview_cli.core.circuit import Service
from prreview_cli.core.job import AttemptCost, Job, Lease, Outcome, Posted, State
from prreview_cli.core.ports.alerts import AlertKind
from prreview_cli.core.ports.store import Capacity
from prreview_cli.core.profile import Workers
from prreview_cli.services.breaker import Breaker
from prreview_cli.services.kill_switch import KillSwitch
from prreview_cli.services.pool import ENDLESS, Pool, Stint
from prreview_cli.services.reviewer import Record
from prreview_cli.services.settlement import Settlement
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock, settled
from support.fakes import NEXT_HEAD, TARGET, FakeAlerts

WORKERS = Workers(count=2, max_attempts=3, job_timeout_s=100, drain_s=20, lease_s=30)


@dataclass
class ScriptedReviewer:
    """Reviews as the test says; `gate` holds every review until it is set. To the pull requests in `poison` alone the model
    answers with an outage, each time."""

    outcomes: list[Outcome | errors.Failure] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    started: list[Job] = field(default_factory=list)
    poison: set[int] = field(default_factory=set)
    breaker: Breaker | None = None  # hears of the model's answers, as from the gateway
    running: int = 0
    peak: int = 0

    async def review(self, lease: Lease, record: Record) -> Outcome:
        self.started.append(lease.job)
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        record.cost = AttemptCost(1, 0.5)
        if lease.job.number in self.poison:
            raise errors.ModelOverloaded("Overloaded.")
        if self.breaker is not None:
            await self.breaker.answered(Service.MODEL)
        outcome = self.outcomes.pop(0) if self.outcomes else Posted(f"r-{lease.job.id}")
        if isinstance(outcome, errors.Failure):
            raise outcome
        return outcome


class Bench:
    def __init__(self, introduce: Callable[[], Awaitable[None]] | None = None, slots: int = 2, stint: Stint = ENDLESS) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.reviewer = ScriptedReviewer()
        self.alerts = FakeAlerts()
        kill_switch = KillSwitch("test", self.store.switches, self.alerts, self.clock)
        policy = retry.Policy(WORKERS.max_attempts, WORKERS.backoff_s, WORKERS.backoff_max_s)
        breaker = Breaker("test", self.store.circuits, self.alerts, self.clock)
        settlement = Settlement("test", self.store.jobs, kill_switch, breaker, self.alerts, self.clock, policy, lambda: 0.5)

        async def known() -> None:
            return None

        self.pool = Pool("w1", slots, WORKERS, self.store, self.reviewer, settlement, kill_switch, introduce or known, self.clock, stint)  # type: ignore[arg-type]

    async def queue(self, *numbers: int) -> None:
        for number in numbers:
            await self.store.jobs.request(replace(TARGET, number=number), 0, self.clock.now())

    async def states(self) -> dict[int, State]:
        return {job.number: job.state for job in await self.store.jobs.list([], None)}

    async def tick(self, seconds: float = 0.5, times: int = 1) -> None:
        for _ in range(times):
            await self.clock.advance(seconds)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.pool.run())
        await settled()
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_no_more_reviews_run_than_there_are_slots() -> None:
    bench = Bench()
    await bench.queue(1, 2, 3, 4, 5)
    async with bench.working():
        await bench.tick()
        assert bench.reviewer.running == 2
        bench.reviewer.gate.set()
        await bench.tick(times=5)
        assert set((await bench.states()).values()) == {State.POSTED}
    assert bench.reviewer.peak == 2


async def test_a_transient_failure_is_tried_again_later_and_charged() -> None:
    bench = Bench()
    bench.reviewer.outcomes = [errors.ModelOverloaded("Overloaded.")]
    bench.reviewer.gate.set()
    await bench.queue(1)
    async with bench.working():
        [job] = await bench.store.jobs.list([], None)
        assert (job.state, job.attempts, job.failure) == (State.SCHEDULED, 1, "model_overloaded")
        await bench.tick(times=3)
        assert (await bench.states()) == {1: State.POSTED}


async def test_a_rejected_key_pauses_keeps_the_job_charges_nothing_and_tells_once() -> None:
    bench = Bench()
    bench.reviewer.outcomes = [errors.ModelKeyRejected("The key was rejected."), errors.ModelKeyRejected("The key was rejected.")]
    await bench.queue(1, 2, 3)
    async with bench.working():
        bench.reviewer.gate.set()
        await bench.tick(times=5)
        jobs = await bench.store.jobs.list([], None)
        assert {(job.state, job.attempts) for job in jobs} == {(State.QUEUED, 0)}
        assert len(bench.reviewer.started) == 2
        pause = await bench.store.switches.paused(bench.clock.now())
        assert pause is not None
        assert pause.reason == "The key was rejected."
        assert [alert.kind for alert in bench.alerts.told] == [AlertKind.PAUSED]
        await bench.store.switches.resume(bench.clock.now())
        await bench.tick(times=5)
        assert set((await bench.states()).values()) == {State.POSTED}


async def test_a_push_stops_the_running_review_of_the_older_head() -> None:
    bench = Bench()
    await bench.queue(1)
    async with bench.working():
        assert bench.reviewer.running == 1
        await bench.store.jobs.request(replace(TARGET, head_sha=NEXT_HEAD), 0, bench.clock.now())
        await bench.tick()
        assert [job.head_sha for job in bench.reviewer.started] == [TARGET.head_sha, NEXT_HEAD]
        bench.reviewer.gate.set()
        await bench.tick(times=3)
        jobs = await bench.store.jobs.list([], None)
        assert {job.head_sha[0]: job.state for job in jobs} == {"a": State.SUPERSEDED, "b": State.POSTED}


async def test_a_review_that_takes_too_long_ends_and_is_not_tried_again() -> None:
    bench = Bench()
    await bench.queue(1)
    async with bench.working():
        await bench.tick(20, times=6)
        [job] = await bench.store.jobs.list([], None)
        assert (job.state, job.failure) == (State.DEAD, "time_limit")
        assert bench.reviewer.running == 0
        assert [alert.kind for alert in bench.alerts.told] == [AlertKind.JOB_DEAD]


async def test_the_lease_of_a_long_review_is_renewed() -> None:
    bench = Bench()
    await bench.queue(1)
    async with bench.working():
        for _ in range(8):
            await bench.tick(9)
            assert await bench.store.jobs.rescue(3, bench.clock.now()) == []
        bench.reviewer.gate.set()
        await bench.tick(times=2)
        assert (await bench.states()) == {1: State.POSTED}


async def test_a_fault_of_ours_ends_one_attempt_and_not_the_pool() -> None:
    bench = Bench()
    bench.reviewer.gate.set()
    original = bench.reviewer.review

    async def broken(lease: Lease, record: Record) -> Outcome:
        if lease.job.number == 1:
            raise RuntimeError("a bug")
        return await original(lease, record)

    bench.reviewer.review = broken  # type: ignore[method-assign]
    await bench.queue(1, 2)
    async with bench.working():
        jobs = {job.number: job for job in await bench.store.jobs.list([], None)}
        assert (jobs[1].failure, jobs[1].attempts) == ("internal", 1)
        assert jobs[2].state is State.POSTED


async def test_draining_takes_no_more_and_finishes_what_it_holds() -> None:
    bench = Bench(slots=1)
    await bench.queue(1, 2)
    async with bench.working() as task:
        bench.pool.end()
        await bench.tick()
        assert not task.done()
        bench.reviewer.gate.set()
        await settled()
        assert task.done()
        assert (await bench.states()) == {1: State.POSTED, 2: State.QUEUED}


@pytest.mark.parametrize("second_signal", [False, True])
async def test_what_a_drain_cannot_finish_is_handed_back_uncharged(second_signal: bool) -> None:
    bench = Bench()
    await bench.queue(1)
    async with bench.working() as task:
        bench.pool.end()
        await settled()
        assert not task.done()
        if second_signal:
            bench.pool.end()
            await settled()
        else:
            await bench.tick(WORKERS.drain_s)
        assert task.done()
        [job] = await bench.store.jobs.list([], None)
        assert (job.state, job.attempts) == (State.QUEUED, 0)
        assert bench.reviewer.running == 0


async def test_no_job_is_taken_before_the_host_has_said_who_we_are() -> None:
    failures: list[errors.Failure] = [errors.HostUnreachable("Down.")]

    async def introduce() -> None:
        if failures:
            raise failures.pop()

    bench = Bench(introduce)
    await bench.queue(1)
    async with bench.working():
        assert bench.reviewer.started == []
        await bench.tick(1.0)
        assert len(bench.reviewer.started) == 1


async def test_a_token_that_is_too_wide_pauses_before_the_first_job() -> None:
    async def introduce() -> None:
        raise errors.HostTokenTooWide("It can push.")

    bench = Bench(introduce)
    await bench.queue(1)
    async with bench.working():
        await bench.tick(times=3)
        assert bench.reviewer.started == []
        assert [alert.reason for alert in bench.alerts.told] == ["It can push."]


async def test_a_stint_until_empty_ends_when_nothing_is_due_and_leaves_what_is_scheduled() -> None:
    bench = Bench(stint=Stint(until_empty=True))
    bench.reviewer.outcomes = [Posted("r-1"), errors.ModelOverloaded("Overloaded.")]
    bench.reviewer.gate.set()
    await bench.queue(1, 2)
    async with bench.working() as task:
        await bench.tick(0)
        await asyncio.wait_for(task, 5)
    assert sorted((await bench.states()).values()) == [State.POSTED, State.SCHEDULED]


async def test_a_stint_until_empty_does_what_was_scheduled_once_it_is_due() -> None:
    bench = Bench()
    bench.reviewer.outcomes = [errors.ModelOverloaded("Overloaded.")]
    bench.reviewer.gate.set()
    await bench.queue(1)
    async with bench.working():
        assert await bench.states() == {1: State.SCHEDULED}
    await bench.clock.advance(WORKERS.backoff_max_s)
    bench.pool.stint = Stint(until_empty=True)
    async with bench.working() as task:
        await asyncio.wait_for(task, 5)
    assert await bench.states() == {1: State.POSTED}


async def test_an_empty_stint_ends_without_asking_the_host() -> None:
    async def introduce() -> None:
        raise AssertionError("The host was asked.")

    bench = Bench(introduce, stint=Stint(until_empty=True))
    async with bench.working() as task:
        await asyncio.wait_for(task, 5)


async def test_a_stint_until_empty_waits_for_what_another_pool_has_in_flight() -> None:
    bench = Bench(stint=Stint(until_empty=True))
    await bench.queue(1)
    lease = await bench.store.jobs.claim("another", Capacity(2), 30, bench.clock.now())
    assert lease is not None
    async with bench.working() as task:
        await bench.tick(times=3)
        assert not task.done()
        await bench.store.jobs.settle(lease, Posted("r-1"), AttemptCost(), bench.clock.now())
        await bench.tick()
        await asyncio.wait_for(task, 5)


async def test_a_pause_ends_a_stint_until_empty_with_its_reason_and_keeps_the_jobs() -> None:
    bench = Bench(stint=Stint(until_empty=True))
    bench.reviewer.outcomes = [errors.ModelKeyRejected("The key was rejected."), errors.ModelKeyRejected("The key was rejected.")]
    bench.reviewer.gate.set()
    await bench.queue(1, 2, 3)
    async with bench.working() as task:
        await bench.tick(times=3)
        with pytest.raises(errors.Paused, match=r"The key was rejected\.") as caught:
            await asyncio.wait_for(task, 5)
    assert caught.value.exit_code == errors.ExitCode.FORBIDDEN
    assert set((await bench.states()).values()) == {State.QUEUED}


async def test_a_stint_until_empty_ends_with_the_failure_where_the_host_cannot_be_asked() -> None:
    async def introduce() -> None:
        raise errors.HostUnreachable("Down.")

    bench = Bench(introduce, stint=Stint(until_empty=True))
    await bench.queue(1)
    async with bench.working() as task:
        with pytest.raises(errors.HostUnreachable):
            await asyncio.wait_for(task, 5)
    assert await bench.states() == {1: State.QUEUED}


async def test_a_stint_takes_so_many_jobs_and_finishes_them_however_long_they_take() -> None:
    bench = Bench(slots=2, stint=Stint(max_jobs=3))
    await bench.queue(1, 2, 3, 4, 5)
    async with bench.working() as task:
        await bench.tick(WORKERS.drain_s * 2)
        assert not task.done()
        assert bench.reviewer.running == 2
        bench.reviewer.gate.set()
        await bench.tick(times=3)
        await asyncio.wait_for(task, 5)
    assert sorted((await bench.states()).values()) == [State.POSTED] * 3 + [State.QUEUED] * 2
    assert len(bench.reviewer.started) == 3


async def test_an_outage_ends_a_stint_until_empty_and_keeps_the_jobs() -> None:
    bench = Bench(slots=1, stint=Stint(until_empty=True))
    bench.reviewer.outcomes = [errors.ModelOverloaded("Overloaded.") for _ in range(3)]
    bench.reviewer.gate.set()
    await bench.queue(1, 2, 3, 4)
    async with bench.working() as task:
        with pytest.raises(errors.CircuitOpen, match=r"The model is down") as caught:
            await asyncio.wait_for(task, 5)
    assert (caught.value.exit_code, len(bench.reviewer.started)) == (errors.ExitCode.TRANSIENT, 3)
    assert (await bench.states())[4] is State.QUEUED


async def test_after_an_outage_one_job_asks_for_all() -> None:
    bench = Bench()
    bench.reviewer.outcomes = [errors.HostUnreachable("Down.") for _ in range(4)]
    bench.reviewer.gate.set()
    await bench.queue(1, 2, 3, 4, 5, 6, 7)
    async with bench.working():
        assert len(bench.reviewer.started) == 4, "three found the outage; the fourth was under way"
        bench.reviewer.gate.clear()
        await bench.tick(times=12)
        assert len(bench.reviewer.started) == 5
        bench.reviewer.gate.set()
        await bench.tick(times=5)
        assert set((await bench.states()).values()) == {State.POSTED}


async def test_a_host_that_does_not_say_who_we_are_is_asked_less_and_less_often() -> None:
    asked: list[float] = []

    async def introduce() -> None:
        asked.append(bench.clock.monotonic())
        raise errors.HostUnreachable("Down.")

    bench = Bench(introduce)
    await bench.queue(1)
    async with bench.working():
        await bench.tick(times=130)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps == sorted(gaps)
    assert (gaps[0], gaps[-1]) == (0.5, 16.5)


@pytest.mark.parametrize(("repository", "priority"), [(7, 0), (8, 0), (7, 10)], ids=["its own", "another", "behind it"])
async def test_a_job_that_alone_meets_an_outage_holds_nobody_hostage_and_is_charged_in_the_end(repository: int, priority: int) -> None:
    bench = Bench(slots=1)
    bench.reviewer.poison, bench.reviewer.breaker = {1}, bench.pool.settlement.breaker
    bench.reviewer.gate.set()
    await bench.store.jobs.request(replace(TARGET, priority=priority), 0, bench.clock.now())
    async with bench.working():
        for _ in range(2):
            await bench.tick(times=2)
        assert [alert.kind for alert in bench.alerts.told] == [AlertKind.CIRCUIT_OPEN]
        assert [job.number for job in bench.reviewer.started] == [1, 1, 1]

        for number in (2, 3, 4):
            target = replace(TARGET, number=number, repository_id=repository, repository=f"octo/r{repository}")
            await bench.store.jobs.request(target, 0, bench.clock.now())
        await bench.tick(times=240)
        jobs = {job.number: job for job in await bench.store.jobs.list([], None)}
        probes = [job.number for job in bench.reviewer.started[3:]]
    assert {jobs[number].state for number in (2, 3, 4)} == {State.POSTED}
    assert probes.index(2) <= 3, "the turns let another one through, whatever its priority"
    assert (jobs[1].state, jobs[1].failure, jobs[1].attempts) == (State.DEAD, "model_overloaded", WORKERS.max_attempts)


async def test_a_database_that_cannot_be_used_is_said_once_an_hour_and_tried_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    tries: list[float] = []

    async def unusable(now: object) -> None:
        tries.append(bench.clock.monotonic())
        raise errors.StoreUnusable("The database is damaged.")

    usable, bench.store.switches.paused = bench.store.switches.paused, unusable  # type: ignore[method-assign, assignment]
    async with bench.working() as task:
        await bench.tick(times=2 * 3600 + 300)
        assert tries[:4] == [0, 1, 3, 7]
        assert {later - earlier for earlier, later in itertools.pairwise(tries[8:])} == {60}
        said = [record.fields for record in caplog.records if record.message == "queue_unusable"]  # type: ignore[attr-defined]
        assert [fields["reason"] for fields in said] == ["The database is damaged."] * 2
        assert said[0]["remedy"]

        bench.store.switches.paused = usable  # type: ignore[method-assign]
        await bench.queue(1)
        bench.reviewer.gate.set()
        await bench.tick(times=121)
        assert await bench.states() == {1: State.POSTED}
        assert [record.message for record in caplog.records].count("queue_usable") == 1
        assert not task.done()
