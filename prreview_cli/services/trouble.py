"""Living with a database that cannot be used: said at once and then once an hour, tried less and less often.

Nobody ends for it. A lock, a full or a read-only disk goes by, and then all goes on without a restart; a damaged database
stays so until an operator replaces it, which takes a restart anyway, and until then readiness is red. The waits double, so
what has gone by is noticed after as long again as it lasted, and after `LONGEST_WAIT_S` at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.ports.clock import Clock
from prreview_cli.telemetry.logs import Logger

LONGEST_WAIT_S = 60.0
SAID_EVERY_S = 3600.0


@dataclass(slots=True)
class Trouble:
    """What one loop has of it. `event` is what it is called in the log, `first_wait_s` the first wait in seconds."""

    log: Logger
    event: str
    clock: Clock
    first_wait_s: float
    _times: int = 0
    _said: tuple[str, float] | None = None

    def met(self, trouble: StoreUnusable, **about: object) -> float:
        """Say it, unless it was said within the hour; seconds to wait before the next try."""
        reason, now = str(trouble), self.clock.monotonic()
        if self._said is None or self._said[0] != reason or now - self._said[1] >= SAID_EVERY_S:
            self.log.error(self.event, reason=reason, remedy=trouble.remedy, times=self._times + 1, **about)
            self._said = (reason, now)
        self._times += 1
        return min(self.first_wait_s * 2.0 ** min(self._times - 1, 60), LONGEST_WAIT_S)

    def over(self) -> None:
        """The database was used: say so, if there had been trouble."""
        if self._times:
            self.log.warning("queue_usable", after=self.event, times=self._times)
            self._times, self._said = 0, None
