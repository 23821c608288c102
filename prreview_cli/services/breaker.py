"""Noting that a service is down, limits us or answers, and telling someone, once an outage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from prreview_cli.core import errors
from prreview_cli.core.circuit import DOWN, LIMITS, Circuit, Down, Event, Limited, Mode, Service, Up, excused_until
from prreview_cli.core.job import Lease
from prreview_cli.core.ports.alerts import Alert, AlertKind, Alerts
from prreview_cli.core.ports.circuits import Circuits
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.retry import Policy
from prreview_cli.telemetry import logger

log = logger("breaker")

LIMIT_WITHOUT_HINT = timedelta(minutes=1)
"""How long a limit lasts that names no time, as git's 429 does: what GitHub asks for then (docs.github.com, "Best practices
for using the REST API")."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The circuits of one profile (`core.circuit`), as what happens changes them."""

    environment: str
    circuits: Circuits
    alerts: Alerts
    clock: Clock

    async def failed(self, failure: errors.Failure, lease: Lease, policy: Policy, chance: Callable[[], float]) -> datetime | None:
        """Note a failed attempt. If an outage is to blame, nothing is to be charged, and it may be tried again then."""
        now, kind, reason = self.clock.now(), type(failure), str(failure)
        if (limited := LIMITS.get(kind)) is not None:
            await self._note(limited, Limited(reason, failure.retry_at or now + LIMIT_WITHOUT_HINT), now)
        if (down := DOWN.get(kind)) is None:
            return None
        circuit = await self._note(down, Down(reason, lease.fence, policy, chance(), failure.retry_at), now)
        return excused_until(circuit, failure, policy, now)

    async def limited(self, failure: errors.Failure) -> None:
        """Note a limit as soon as it is met: the attempt that met it may wait it out, and the others must not ask meanwhile."""
        now = self.clock.now()
        await self._note(LIMITS[type(failure)], Limited(str(failure), failure.retry_at or now + LIMIT_WITHOUT_HINT), now)

    async def limited_until(self, service: Service) -> datetime | None:
        """The time that this service named, if it is still to come."""
        now = self.clock.now()
        return next((each.limit_until(now) for each in await self.circuits.all() if each.service is service), None)

    async def expect_unlimited(self, service: Service) -> None:
        """CircuitOpen, with the time, if this service named one that is still to come. An outage is no reason: one asks all the same."""
        now = self.clock.now()
        for circuit in await self.circuits.all():
            if circuit.service is service and (until := circuit.limit_until(now)) is not None:
                raise errors.CircuitOpen(circuit.told(now), retry_at=until)

    async def answered(self, service: Service) -> None:
        """Note that a service answered."""
        await self._note(service, Up(), self.clock.now())

    async def expect_closed(self) -> None:
        """CircuitOpen, with the time, if no job may be taken before one. A half-open circuit passes: it takes one."""
        now = self.clock.now()
        for circuit in await self.circuits.all():
            if (until := circuit.shut_until(now)) is not None:
                raise errors.CircuitOpen(circuit.told(now), retry_at=until)

    async def _note(self, service: Service, event: Event, now: datetime) -> Circuit:
        before, after = await self.circuits.note(service, event, now)
        if before.since is None and after.since is not None:
            log.error("circuit_open", service=service, reason=after.reason, until=after.until, failures=after.failures)
            await self.alerts.tell(Alert(AlertKind.CIRCUIT_OPEN, self.environment, now, after.told(now)))
        elif before.since is not None and after.since is None:
            log.warning("circuit_closed", service=service, since=before.since)
        elif after.until != before.until:
            log.warning("circuit_open_still", service=service, reason=after.reason, until=after.until, failures=after.failures)
        if after.mode(now) is Mode.LIMITED and after.limited_until != before.limited_until:
            log.warning("limited", service=service, reason=after.reason, until=after.limited_until)
        return after
