"""How a failed hold is settled when the model or the host is to blame, and who is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from prreview_cli.core import errors, retry
from prreview_cli.core.circuit import PATIENCE, THRESHOLD, Mode, Service
from prreview_cli.core.job import AttemptCost, Job, Lease, Outcome, Posted, State
from prreview_cli.core.ports.alerts import AlertKind
from prreview_cli.core.ports.store import Capacity
from prreview_cli.services.breaker import Breaker
from prreview_cli.services.kill_switch import KillSwitch
from prreview_cli.services.reviewer import Record
from prreview_cli.services.settlement import Settlement
from prreview_cli.store.memory import MemoryStore
from support.clocks import ImpatientClock
from support.fakes import TARGET, FakeAlerts

POLICY = retry.Policy(max_attempts=3, backoff_s=1.0, backoff_max_s=60.0)


class Bench:
    def __init__(self) -> None:
        self.clock = ImpatientClock()
        self.store = MemoryStore(clock=self.clock)
        self.alerts = FakeAlerts()
        self.breaker = Breaker("test", self.store.circuits, self.alerts, self.clock)
        kill_switch = KillSwitch("test", self.store.switches, self.alerts, self.clock)
        self.settlement = Settlement("test", self.store.jobs, kill_switch, self.breaker, self.alerts, self.clock, POLICY, lambda: 0.5)

    async def held(self, *numbers: int) -> list[Lease]:
        """Jobs of these pull requests, all held."""
        for number in numbers:
            await self.store.jobs.request(replace(TARGET, number=number), 0, self.clock.now())
        leases = [await self.claim() for _ in numbers]
        return [lease for lease in leases if lease is not None]

    async def claim(self) -> Lease | None:
        return await self.store.jobs.claim("w1", Capacity(100), 1e9, self.clock.now())

    async def end(self, lease: Lease, ended: Outcome | errors.Failure, calls: int = 0) -> Job:
        await self.settlement.settle(lease, ended, Record(AttemptCost(calls, 0.0)))
        job = await self.store.jobs.get(lease.job.id)
        assert job is not None
        return job

    async def end_all(self, leases: Sequence[Lease], failure: type[errors.Failure]) -> list[Job]:
        return [await self.end(lease, failure("Down.")) for lease in leases]

    async def mode(self, service: Service) -> Mode:
        return next(each for each in await self.store.circuits.all() if each.service is service).mode(self.clock.now())


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("failure", "service"),
    [
        (errors.ModelOverloaded, Service.MODEL),
        (errors.ModelUnreachable, Service.MODEL),
        (errors.HostUnreachable, Service.HOST),
    ],
)
async def test_an_outage_charges_the_jobs_that_found_it_and_no_other(bench: Bench, failure: type[errors.Failure], service: Service) -> None:
    jobs = await bench.end_all(await bench.held(1, 2, 3, 4, 5), failure)
    assert [job.attempts for job in jobs] == [1] * (THRESHOLD - 1) + [0] * 3
    assert {job.state for job in jobs} == {State.SCHEDULED}
    assert await bench.mode(service) is Mode.OPEN
    assert await bench.claim() is None
    assert [alert.kind for alert in bench.alerts.told] == [AlertKind.CIRCUIT_OPEN]
    assert "Down." in bench.alerts.told[0].reason


async def test_a_pause_that_the_database_did_not_take_at_once_is_written_before_the_job_is_given_back_uncharged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (lease,) = await bench.held(1)
    pause, refusals = bench.store.switches.pause, [errors.StoreUnusable("The database is locked.")] * 2

    async def locked_at_first(reason: str, since: datetime, until: datetime | None) -> bool:
        if refusals:
            raise refusals.pop()
        return await pause(reason, since, until)

    monkeypatch.setattr(bench.store.switches, "pause", locked_at_first)
    job = await bench.end(lease, errors.HostTokenRejected("The code host does not accept the token (401)."))
    assert (job.state, job.attempts) == (State.QUEUED, 0)
    assert await bench.store.switches.paused(bench.clock.now()) is not None
    assert [alert.kind for alert in bench.alerts.told] == [AlertKind.PAUSED]


async def test_an_outage_of_hours_kills_no_job_asks_with_one_and_tells_once(bench: Bench) -> None:
    await bench.end_all(await bench.held(1, 2, 3, 4), errors.ModelOverloaded)
    probes = 0
    while (bench.clock.now() - TARGET.updated_at) < timedelta(hours=3):
        await bench.clock.sleep(1)
        if (probe := await bench.claim()) is not None:
            probes += 1
            assert await bench.claim() is None
            await bench.end(probe, errors.ModelOverloaded("Down."))
    assert probes < 3 * 3600 / 30 + 10
    jobs = await bench.store.jobs.list([], None)
    assert max(job.attempts for job in jobs) == 1
    assert len(bench.alerts.told) == 1
    await bench.clock.sleep(60)
    probe = await bench.claim()
    assert probe is not None
    await bench.breaker.answered(Service.MODEL)
    assert len(await bench.held(7, 8)) == 2


async def test_a_failure_that_outlasts_a_day_is_the_jobs_own_again(bench: Bench) -> None:
    await bench.end_all(await bench.held(1, 2, 3), errors.ModelOverloaded)
    await bench.clock.sleep(PATIENCE.total_seconds() + 1)
    probe = await bench.claim()
    assert probe is not None
    assert (await bench.end(probe, errors.ModelOverloaded("Down."))).attempts == probe.job.attempts + 1


async def test_answers_between_failures_keep_the_circuit_closed_and_the_charges_honest(bench: Bench) -> None:
    for number in range(1, 9, 2):
        bad, good = await bench.held(number, number + 1)
        assert (await bench.end(bad, errors.HostUnreachable("Down."))).attempts == 1
        await bench.end(good, Posted("r"))
    assert await bench.mode(Service.HOST) is Mode.CLOSED


async def test_a_review_that_asked_the_model_has_proved_the_host(bench: Bench) -> None:
    first, second, asked, third = await bench.held(1, 2, 3, 4)
    await bench.end_all([first, second], errors.HostUnreachable)
    await bench.end(asked, errors.NoSubmission("None."), calls=2)
    await bench.end_all([third], errors.HostUnreachable)
    assert await bench.mode(Service.HOST) is Mode.CLOSED


async def test_a_probe_of_the_host_that_posts_closes_the_circuit(bench: Bench) -> None:
    await bench.end_all(await bench.held(1, 2, 3), errors.HostUnreachable)
    await bench.clock.sleep(60)
    probe = await bench.claim()
    assert probe is not None
    await bench.end(probe, Posted("r"))
    assert await bench.mode(Service.HOST) is Mode.CLOSED


async def test_lost_answers_to_posts_open_the_circuit_and_are_charged_all_the_same(bench: Bench) -> None:
    jobs = await bench.end_all(await bench.held(1, 2, 3, 4), errors.AmbiguousPost)
    assert [job.attempts for job in jobs] == [1, 1, 1, 1]
    assert await bench.mode(Service.HOST) is Mode.OPEN


@pytest.mark.parametrize(("failure", "service"), [(errors.ModelRateLimited, Service.MODEL), (errors.HostRateLimited, Service.HOST)])
async def test_the_limit_that_one_job_hit_makes_the_others_wait_until_the_hint(
    bench: Bench, failure: type[errors.Failure], service: Service
) -> None:
    hint = bench.clock.now() + timedelta(seconds=90)
    [lease] = await bench.held(1)
    job = await bench.end(lease, failure("429.", retry_at=hint))
    assert (job.due, job.attempts) == (hint, 1)
    assert await bench.mode(service) is Mode.LIMITED
    assert await bench.held(2) == []
    await bench.clock.sleep(90)
    assert await bench.claim() is not None
    assert bench.alerts.told == []


async def test_a_limit_that_names_no_time_holds_everybody_back_for_a_minute(bench: Bench) -> None:
    [lease] = await bench.held(1)
    await bench.end(lease, errors.HostRateLimited("git was told to fetch it later."))
    assert await bench.mode(Service.HOST) is Mode.LIMITED
    await bench.store.jobs.request(replace(TARGET, number=2), 0, bench.clock.now())
    await bench.clock.sleep(59)
    assert await bench.claim() is None
    await bench.clock.sleep(1)
    assert await bench.claim() is not None


async def test_a_job_is_given_back_uncharged_though_its_pause_could_not_be_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: object) -> bool:
        raise errors.StoreUnusable("There is no room left.")

    [lease] = await bench.held(1)
    with monkeypatch.context() as disk:
        disk.setattr(bench.store.switches, "pause", full)
        job = await bench.end(lease, errors.ModelKeyRejected("401."))
    assert (job.state, job.attempts) == (State.QUEUED, 0)

    again = await bench.claim()
    assert again is not None
    await bench.end(again, errors.ModelKeyRejected("401."))
    assert await bench.store.switches.paused(bench.clock.now()) is not None


async def test_a_spent_budget_of_writes_gives_the_job_back_until_there_is_room(bench: Bench) -> None:
    turn = bench.clock.now() + timedelta(seconds=50)
    [lease] = await bench.held(1)
    job = await bench.end(lease, errors.HostWritesSpent("Spent.", retry_at=turn))
    assert (job.state, job.attempts, job.due) == (State.SCHEDULED, 0, turn)
    assert await bench.mode(Service.HOST) is Mode.CLOSED


@pytest.mark.parametrize("failure", [errors.RepositoryForbidden, errors.RepositoryReplaced])
async def test_a_repository_that_is_gone_or_another_ends_its_own_jobs_and_touches_no_other(
    bench: Bench, failure: type[errors.Failure]
) -> None:
    [lease] = await bench.held(1)
    for number, repository_id in ((2, 7), (3, 8)):
        await bench.store.jobs.request(replace(TARGET, number=number, repository_id=repository_id), 0, bench.clock.now())
    await bench.end(lease, failure("Gone."))
    jobs = {job.number: (job.state, job.failure) for job in await bench.store.jobs.list([], None)}
    assert jobs == {1: (State.DEAD, failure.kind), 2: (State.DEAD, failure.kind), 3: (State.QUEUED, None)}
    assert await bench.store.switches.paused(bench.clock.now()) is None
