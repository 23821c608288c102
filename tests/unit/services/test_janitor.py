"""Keeping the queue in order."""

from __future__ import annotations

from datetime import datetime, timedelta

from prreview_cli.core.job import AttemptCost, Dead, State
from prreview_cli.core.ports.alerts import AlertKind
from prreview_cli.core.ports.store import Capacity
from prreview_cli.services.janitor import Janitor
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock, ImpatientClock
from support.fakes import TARGET, FakeAlerts


def janitor(clock: FakeClock, store: MemoryStore, alerts: FakeAlerts, forgotten: list[datetime] | None = None) -> Janitor:
    forget = [].append if forgotten is None else forgotten.append
    return Janitor("test", store.jobs, alerts, clock, max_attempts=1, keep_days=30, forget=forget)


async def test_a_job_whose_worker_died_too_often_is_told_of() -> None:
    clock, alerts = FakeClock(), FakeAlerts()
    store = MemoryStore(clock=clock)
    await store.jobs.request(TARGET, 0, clock.now())
    await store.jobs.claim("w1", Capacity(1), 30, clock.now())
    await janitor(clock, store, alerts).rescue()
    assert alerts.told == []
    await clock.advance(31)
    await janitor(clock, store, alerts).rescue()
    [job] = await store.jobs.list([], None)
    assert (job.state, job.failure) == (State.DEAD, "worker_died")
    assert [alert.kind for alert in alerts.told] == [AlertKind.JOB_DEAD]


async def test_what_has_been_at_rest_for_too_long_is_deleted_and_the_rest_is_kept() -> None:
    clock = ImpatientClock()
    store, forgotten = MemoryStore(clock=clock), list[datetime]()
    await store.jobs.request(TARGET, 0, clock.now())
    lease = await store.jobs.claim("w1", Capacity(1), 30, clock.now())
    assert lease is not None
    await store.jobs.settle(lease, Dead("internal", "Broke."), AttemptCost(), clock.now())
    keeper = janitor(clock, store, FakeAlerts(), forgotten)
    await keeper.prune()
    assert len(await store.jobs.list([], None)) == 1
    await clock.sleep(timedelta(days=31).total_seconds())
    await keeper.prune()
    assert await store.jobs.list([], None) == []
    assert forgotten[-1] == clock.now() - timedelta(days=30)
