"""A worker's hold on one job: the review runs, and beside it the lease is kept and the clock is watched."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from prreview_cli.core import errors
from prreview_cli.core.job import Lease, Outcome, Posted, Standing
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Store
from prreview_cli.services.reviewer import Record
from prreview_cli.services.trouble import Trouble
from prreview_cli.telemetry import logger

log = logger("hold")

WATCH_S = 0.5
"""The longest time, in seconds, after which a hold looks whether it still stands."""

Work = Callable[[Lease, Record], Awaitable[Outcome]]


@dataclass(slots=True, eq=False)
class Hold:
    """Runs the work under a lease until it ends, loses its standing, runs out of time or is handed back.

    `run` returns how the hold ends: an Outcome, the Failure that stopped it, or None when the lease is
    lost and nothing may be written any more. Nothing of the work outlives it.
    """

    lease: Lease
    store: Store
    clock: Clock
    lease_s: float
    timeout_s: float
    record: Record = field(default_factory=Record)
    _handed_back: asyncio.Event = field(default_factory=asyncio.Event)

    def hand_back(self) -> None:
        """Stop the work and give the job back uncharged."""
        self._handed_back.set()

    async def run(self, work: Work) -> Outcome | errors.Failure | None:
        """Do the work. Never raises for what the work did; cancellation stops the work first."""
        working = asyncio.ensure_future(work(self.lease, self.record))
        watching = asyncio.create_task(self._watch())
        timing = asyncio.create_task(self.clock.sleep(self.timeout_s))
        leaving = asyncio.create_task(self._handed_back.wait())
        try:
            await asyncio.wait({working, watching, timing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return _result(working)
            await _stopped(working)
            if watching.done() and watching.result() is Standing.LOST:
                return None
            if (posted := _posted(working)) is not None:
                return posted
            if watching.done():
                return _after_losing(watching.result())
            if timing.done():
                return errors.AttemptTimedOut(f"The review took longer than workers.job_timeout_s ({self.timeout_s:g} s).")
            return errors.Stopped("The worker is ending and gave the job back.")
        finally:
            for task in (working, watching, timing, leaving):
                await _stopped(task)

    async def _watch(self) -> Standing:
        """Renew the lease until it stands no more."""
        renewed = self.clock.monotonic()
        trouble = Trouble(log, "lease_not_renewed", self.clock, WATCH_S)
        while True:
            try:
                await self.store.changed(min(WATCH_S, self.lease_s / 3))
                if (asked := self.clock.monotonic()) - renewed >= self.lease_s / 3:
                    standing = await self.store.jobs.renew(self.lease, self.lease_s)
                    renewed = asked  # from before it was signed: an observer counts from later
                else:
                    standing = await self.store.jobs.standing(self.lease)
            except errors.StoreUnusable as unusable:
                # The lease still runs: the database may be usable again before it ends, so it is asked without back-off.
                trouble.met(unusable, job=self.lease.job.id)
                if self.clock.monotonic() - renewed >= self.lease_s:
                    return Standing.LOST
                await self.clock.sleep(WATCH_S)
                continue
            trouble.over()
            if standing is not Standing.HELD:
                return standing


def _posted(stopped: asyncio.Future[Outcome]) -> Posted | None:
    """What stands on the host all the same: a post that had been sent is not called back."""
    if stopped.cancelled() or stopped.exception() is not None:
        return None
    outcome = stopped.result()
    return outcome if isinstance(outcome, Posted) else None


def _after_losing(standing: Standing) -> errors.Failure:
    return errors.Stopped("A newer head was accepted." if standing is Standing.SUPERSEDED else "The job was cancelled.")


def _result(working: asyncio.Future[Outcome]) -> Outcome | errors.Failure:
    """What the work came to; this is a boundary: whatever it raises ends one attempt and not the pool."""
    try:
        return working.result()
    except errors.Failure as failure:
        return failure
    except errors.PrreviewError as error:
        return errors.Internal(str(error), remedy=error.remedy)
    except Exception as error:
        log.exception("review_broke")
        return errors.Internal(f"The review broke with {type(error).__name__}.")


async def _stopped(task: asyncio.Future[Any]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task
