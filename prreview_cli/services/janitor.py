"""Keeping the queue in order: the jobs of dead workers are taken back, and what is old enough is deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.job import Job, State
from prreview_cli.core.ports.alerts import Alert, AlertKind, Alerts
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Jobs
from prreview_cli.telemetry import logger

log = logger("janitor")

ROUND_S = 1.0
PRUNE_EVERY_S = 600.0
PRUNE_STEP = 200
"""Rows deleted in one transaction: small, so that no acknowledgement waits for it."""


@dataclass(slots=True)
class Janitor:
    """Runs beside a pool; several may run on one queue. `forget` deletes what else is older than a time: the logs."""

    environment: str
    jobs: Jobs
    alerts: Alerts
    clock: Clock
    max_attempts: int
    keep_days: int
    forget: Callable[[datetime], object]

    async def run(self) -> None:
        """Go round until cancelled."""
        pruned: float | None = None
        while True:
            try:
                await self.rescue()
                if pruned is None or self.clock.monotonic() - pruned >= PRUNE_EVERY_S:
                    await self.prune()
                    pruned = self.clock.monotonic()
            except StoreUnusable as trouble:
                log.warning("round_missed", reason=str(trouble))
            await self.clock.sleep(ROUND_S)

    async def rescue(self) -> None:
        """Take back what dead workers held, and tell someone of each job that died of it."""
        for job in await self.jobs.rescue(self.max_attempts, self.clock.now()):
            log.warning("rescued", job=job.id, state=job.state, attempts=job.attempts)
            if job.state is State.DEAD:
                await self._tell(job)

    async def prune(self) -> None:
        """Delete what has been at rest for longer than `keep_days`, in small steps."""
        before = self.clock.now() - timedelta(days=self.keep_days)
        while await self.jobs.prune(before, PRUNE_STEP) >= PRUNE_STEP:
            await self.clock.sleep(ROUND_S / 10)
        self.forget(before)

    async def _tell(self, job: Job) -> None:
        reason = job.reason or "Its worker died."
        await self.alerts.tell(Alert(AlertKind.JOB_DEAD, self.environment, self.clock.now(), reason, job.id, job.repository, job.number))
