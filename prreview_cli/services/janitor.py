"""Keeping the queue in order: the jobs of dead workers are taken back, and what is old enough is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.job import Job, State
from prreview_cli.core.ports.alerts import Alert, AlertKind, Alerts
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Store
from prreview_cli.services.trouble import Trouble
from prreview_cli.telemetry import logger

log = logger("janitor")

ROUND_S = 1.0
PRUNE_EVERY_S = 600.0
PRUNE_STEP = 200
"""Rows deleted in one transaction: small, so that no acknowledgement waits for it."""
KEEP_PAID_DAYS = 365
"""Stored reviews and what each model call cost are kept for so long."""


@dataclass(slots=True)
class Janitor:
    """Runs beside a pool; several may run on one queue. `forget` deletes what else is older than a time: the logs.
    It may block, and is called in a thread."""

    environment: str
    store: Store
    alerts: Alerts
    clock: Clock
    max_attempts: int
    keep_days: int
    forget: Callable[[datetime], object]

    async def run(self) -> None:
        """Go round until cancelled. To delete much takes minutes, and no job of a dead worker waits for that."""
        async with asyncio.TaskGroup() as rounds:
            rounds.create_task(self._rounds(self.rescue, ROUND_S, "round_missed"))
            rounds.create_task(self._rounds(self.prune, PRUNE_EVERY_S, "pruning_missed"))

    async def _rounds(self, work: Callable[[], Awaitable[None]], every_s: float, missed: str) -> None:
        trouble = Trouble(log, missed, self.clock, ROUND_S)
        while True:
            wait = every_s
            try:
                await work()
                trouble.over()
            except StoreUnusable as unusable:
                wait = trouble.met(unusable)
            await self.clock.sleep(wait)

    async def rescue(self) -> None:
        """Take back what dead workers held, and tell someone of each job that died of it."""
        for job in await self.store.jobs.rescue(self.max_attempts, self.clock.now()):
            log.warning("rescued", job=job.id, state=job.state, attempts=job.attempts)
            if job.state is State.DEAD:
                await self._tell(job)

    async def prune(self) -> None:
        """Delete what has been at rest for longer than `keep_days`, and what was paid for longer than a year ago, in small steps."""
        now = self.clock.now()
        before, paid_before = now - timedelta(days=self.keep_days), now - timedelta(days=KEEP_PAID_DAYS)
        await self._prune(self.store.jobs.prune, before)
        await self._prune(self.store.reviews.prune, paid_before)
        await self._prune(self.store.spend.prune, paid_before)
        try:
            await asyncio.to_thread(self.forget, before)  # another process may be at it, and hold it up
        except OSError as trouble:
            log.warning("not_forgotten", reason=str(trouble))

    async def _prune(self, step: Callable[[datetime, int], Awaitable[int]], before: datetime) -> None:
        while await step(before, PRUNE_STEP) >= PRUNE_STEP:
            await self.clock.sleep(ROUND_S / 10)

    async def _tell(self, job: Job) -> None:
        reason = job.reason or "Its worker died."
        await self.alerts.tell(Alert(AlertKind.JOB_DEAD, self.environment, self.clock.now(), reason, job.id, job.repository, job.number))
