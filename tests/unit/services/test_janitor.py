"""Keeping the queue in order."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from prreview_cli.core.events import Delivery, Ignore
from prreview_cli.core.job import AttemptCost, Dead, Posted, State
from prreview_cli.core.ports.alerts import AlertKind
from prreview_cli.core.ports.store import Capacity, Caps
from prreview_cli.services.janitor import PRUNE_EVERY_S, PRUNE_STEP, Janitor
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock, ImpatientClock
from support.fakes import TARGET, FakeAlerts
from support.processes import until
from support.stores import REVIEW


def janitor(clock: FakeClock, store: MemoryStore, alerts: FakeAlerts, forgotten: list[datetime] | None = None) -> Janitor:
    forget = [].append if forgotten is None else forgotten.append
    return Janitor("test", store, alerts, clock, max_attempts=1, keep_days=30, forget=forget)


async def test_a_job_whose_worker_died_too_often_is_told_of() -> None:
    clock, alerts = FakeClock(), FakeAlerts()
    store = MemoryStore(clock=clock)
    await store.jobs.request(TARGET, 0, clock.now())
    await store.jobs.claim("w1", Capacity(1), 30, clock.now())
    await janitor(clock, store, alerts).rescue()
    assert alerts.told == []
    for _ in range(3):
        await clock.advance(10)
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


async def test_what_was_paid_for_is_kept_for_a_year() -> None:
    clock = ImpatientClock()
    store = MemoryStore(clock=clock)
    await store.jobs.request(TARGET, 0, clock.now())
    lease = await store.jobs.claim("w1", Capacity(1), 30, clock.now())
    assert lease is not None
    await store.reviews.store(lease, REVIEW, clock.now())
    await store.spend.reserve(lease, 1.0, Caps(1, 1, 1), clock.now())
    await store.jobs.settle(lease, Posted("r-1"), AttemptCost(), clock.now())
    keeper = janitor(clock, store, FakeAlerts())

    await clock.sleep(timedelta(days=364).total_seconds())
    await keeper.prune()
    assert await store.jobs.get(lease.job.id) is None
    assert await store.reviews.of(lease.job.id) is not None
    assert (await store.spend.of_job(lease.job.id)).usd == 1.0

    await clock.sleep(timedelta(days=2).total_seconds())
    await keeper.prune()
    assert await store.reviews.of(lease.job.id) is None
    assert (await store.spend.of_job(lease.job.id)).usd == 0.0


async def test_much_is_deleted_in_small_steps_with_a_rest_between_them() -> None:
    clock = ImpatientClock()
    store = MemoryStore(clock=clock)
    for number in range(2 * PRUNE_STEP + 1):
        ping = Delivery(f"d-{number}", "ping", None, clock.now())
        await store.jobs.accept(ping, Ignore("A ping."), 0, clock.now())
    await clock.sleep(timedelta(days=31).total_seconds())
    clock.slept.clear()

    await janitor(clock, store, FakeAlerts()).prune()

    assert await store.jobs.prune(clock.now(), 10) == 0
    assert clock.slept == [0.1, 0.1]


async def test_a_dead_workers_job_does_not_wait_until_all_that_is_old_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, never = FakeClock(), asyncio.Event()
    store = MemoryStore(clock=clock)
    await store.jobs.request(TARGET, 0, clock.now())
    await store.jobs.claim("w1", Capacity(1), 30, clock.now())

    async def much(*_: object) -> int:
        await never.wait()
        return 0

    monkeypatch.setattr(store.jobs, "prune", much)
    running = asyncio.create_task(janitor(clock, store, FakeAlerts()).run())
    for _ in range(40):
        await clock.advance(1.0)
    [job] = await store.jobs.list([], None)
    running.cancel()
    await asyncio.wait({running})
    assert (job.state, job.failure) == (State.DEAD, "worker_died")


async def test_what_cannot_be_forgotten_now_ends_no_round() -> None:
    clock, tries = FakeClock(), list[datetime]()

    def refused(before: datetime) -> None:
        tries.append(before)
        raise PermissionError("It belongs to another user.")

    keeper = Janitor("test", MemoryStore(clock=clock), FakeAlerts(), clock, max_attempts=1, keep_days=30, forget=refused)
    running = asyncio.create_task(keeper.run())
    await until(lambda: PRUNE_EVERY_S in clock.slept)
    await clock.advance(PRUNE_EVERY_S)
    await until(lambda: len(tries) == 2)
    assert not running.done()
    running.cancel()
    await asyncio.wait({running})
