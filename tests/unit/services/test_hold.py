"""A hold on one job: what ends it, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prreview_cli.core import errors
from prreview_cli.core.job import Lease, Outcome, Posted
from prreview_cli.core.ports.store import Capacity
from prreview_cli.services.hold import Hold
from prreview_cli.services.reviewer import Record
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock
from support.fakes import TARGET


@asynccontextmanager
async def holding(clock: FakeClock, failures: int) -> AsyncIterator[tuple[asyncio.Task[Outcome | errors.Failure | None], asyncio.Event]]:
    """A hold whose look for changes fails so often, and what lets its work end."""
    store, gate = MemoryStore(clock), asyncio.Event()
    await store.jobs.request(TARGET, 0, clock.now())
    lease = await store.jobs.claim("w1", Capacity(1), 30, clock.now())
    assert lease is not None
    changed, left = store.changed, iter(range(failures))

    async def sometimes(timeout_s: float) -> None:
        if next(left, None) is not None:
            raise errors.StoreUnusable("The disk failed.")
        await changed(timeout_s)

    async def work(_: Lease, __: Record) -> Outcome:
        await gate.wait()
        return Posted("r-1")

    store.changed = sometimes  # type: ignore[method-assign]
    running = asyncio.create_task(Hold(lease, store, clock, 30, 1000).run(work))
    try:
        yield running, gate
    finally:
        running.cancel()
        await asyncio.wait({running})


async def test_a_look_that_fails_does_not_end_a_hold_whose_lease_still_runs() -> None:
    clock = FakeClock()
    async with holding(clock, failures=20) as (running, gate):
        for _ in range(40):
            await clock.advance(0.5)
        assert not running.done()
        gate.set()
        assert await running == Posted("r-1")


async def test_a_hold_gives_up_once_it_could_not_look_for_the_length_of_its_lease() -> None:
    clock = FakeClock()
    async with holding(clock, failures=1000) as (running, _):
        for _ in range(2 * 31):
            await clock.advance(0.5)
        assert running.done()
        assert running.result() is None
