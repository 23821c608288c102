"""Time, injected once, so that a test owns it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The only source of time and of waiting."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC. May jump."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of monotonic time; cancellable."""
