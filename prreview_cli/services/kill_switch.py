"""Pausing and resuming a profile, and telling someone, once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from prreview_cli.core.errors import DayBudgetReached, Failure
from prreview_cli.core.ports.alerts import Alert, AlertKind, Alerts
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Pause, Switches
from prreview_cli.core.retry import end_of_day
from prreview_cli.telemetry import logger

log = logger("kill_switch")

Check = Callable[[], Awaitable[object]]
"""Asks a part of the world whether it would work now; raises the Failure if not."""


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """The pause of one profile. It is read before every model call and every post."""

    environment: str
    switches: Switches
    alerts: Alerts
    clock: Clock

    async def pause(self, reason: str, until: datetime | None = None, kind: AlertKind = AlertKind.PAUSED) -> bool:
        """Pause the profile; False if it was paused already (then nobody is told again)."""
        now = self.clock.now()
        if not await self.switches.pause(reason, now, until):
            return False
        log.error("paused", reason=reason, until=until)
        await self.alerts.tell(Alert(kind, self.environment, now, reason))
        return True

    async def trip(self, failure: Failure) -> None:
        """Pause because of a failure that concerns the whole profile; a day's budget until that day has ended, if it has not."""
        if isinstance(failure, DayBudgetReached):
            now = self.clock.now()
            until = failure.retry_at or end_of_day(now)
            if now < until:
                await self.pause(str(failure), until, AlertKind.BUDGET_CLOSED)
        else:
            await self.pause(str(failure))

    async def resume(self, checks: Sequence[Check]) -> Pause | None:
        """End the pause after every check has passed; the pause that ended, or None if there was none."""
        for check in checks:
            await check()
        now = self.clock.now()
        ended = await self.switches.resume(now)
        if ended is not None:
            log.warning("resumed", reason=ended.reason, since=ended.since)
            await self.alerts.tell(Alert(AlertKind.RESUMED, self.environment, now, ended.reason))
        return ended
