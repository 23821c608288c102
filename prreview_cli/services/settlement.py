"""How a hold becomes a settled job: the failure's class decides, the fence guards, someone is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from prreview_cli.core import errors, retry
from prreview_cli.core.circuit import DOWN, LIMITS, Service
from prreview_cli.core.job import Dead, Lease, Outcome
from prreview_cli.core.ports.alerts import Alert, AlertKind, Alerts
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Jobs
from prreview_cli.services.breaker import Breaker
from prreview_cli.services.kill_switch import KillSwitch
from prreview_cli.services.reviewer import Record
from prreview_cli.telemetry import logger

log = logger("settlement")

TRIES_AFTER_S = (0.0, 1.0, 3.0)
"""When to try to write a settlement, and the pause before it, in seconds from one try to the next; after the last one the
lease runs out by itself."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settlement:
    """Ends holds. `chance` is uniform in [0, 1) and spreads retries."""

    environment: str
    jobs: Jobs
    kill_switch: KillSwitch
    breaker: Breaker
    alerts: Alerts
    clock: Clock
    policy: retry.Policy
    chance: Callable[[], float]

    async def settle(self, lease: Lease, ended: Outcome | errors.Failure, record: Record) -> None:
        """Write how the hold ended. A profile-wide failure pauses the profile before the job is given back."""
        outcome = await self._outcome(lease, ended) if isinstance(ended, errors.Failure) else ended
        if _host_answered(ended, record):
            await self._note_host()
        if not await self._written(lease, outcome, record):
            log.warning("settlement_refused", job=lease.job.id, claim=lease.job.claim)
            return
        log.info("settled", job=lease.job.id, outcome=type(outcome).__name__.lower(), reason=getattr(outcome, "reason", None))
        if isinstance(outcome, Dead):
            await self._tell(lease, outcome)

    async def _outcome(self, lease: Lease, failure: errors.Failure) -> Outcome:
        excused_until = await self._excused_until(lease, failure)
        verdict = retry.decide(failure, lease.job.attempts, self.policy, self.clock.now(), self.chance, excused_until)
        log.warning("attempt_failed", job=lease.job.id, kind=failure.kind, reason=str(failure))
        if verdict.pause is not None:
            await self._trip(failure)
        return verdict.outcome

    async def _trip(self, failure: errors.Failure) -> None:
        """A pause that cannot be written is made up for by whoever takes the job next; the job is given back all the same."""
        try:
            await self._tried(lambda: self.kill_switch.trip(failure))
        except errors.StoreUnusable as trouble:
            log.error("pause_not_stored", reason=str(trouble))

    async def _excused_until(self, lease: Lease, failure: errors.Failure) -> datetime | None:
        try:
            return await self.breaker.failed(failure, lease, self.policy, self.chance)
        except errors.StoreUnusable as trouble:
            log.warning("outage_not_noted", reason=str(trouble))
            return None

    async def _note_host(self) -> None:
        try:
            await self.breaker.answered(Service.HOST)
        except errors.StoreUnusable as trouble:
            log.warning("answer_not_noted", reason=str(trouble))

    async def _written(self, lease: Lease, outcome: Outcome, record: Record) -> bool:
        try:
            return await self._tried(lambda: self.jobs.settle(lease, outcome, record.cost, self.clock.now()))
        except errors.StoreUnusable as trouble:
            log.error("settlement_not_stored", job=lease.job.id, reason=str(trouble))
            return False

    async def _tried(self, write: Callable[[], Awaitable[T]]) -> T:
        *waits, last = TRIES_AFTER_S
        for wait in waits:
            await self.clock.sleep(wait)
            with suppress(errors.StoreUnusable):
                return await write()
        await self.clock.sleep(last)
        return await write()

    async def _tell(self, lease: Lease, dead: Dead) -> None:
        job = lease.job
        await self.alerts.tell(
            Alert(AlertKind.JOB_DEAD, self.environment, self.clock.now(), dead.reason, job.id, job.repository, job.number)
        )


def _host_answered(ended: Outcome | errors.Failure, record: Record) -> bool:
    """Whether this hold shows that the host can be used: it ended as it should, or came as far as asking the model."""
    if not isinstance(ended, errors.Failure):
        return True
    asked_last = DOWN.get(type(ended)) or LIMITS.get(type(ended))
    return asked_last is not Service.HOST and record.cost.model_calls > 0
