"""Waiting before another try, for all of this process together: one limit hit makes everybody wait."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from prreview_cli.core.errors import Failure, ModelRateLimited
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.retry import Policy, delay

TRIES = 4
WAIT_AT_MOST_S = 60.0
TRY_AT_MOST_S = 120.0
"""How long after its beginning a call is tried again. A provider that says nothing uses this up with one time-out: its
tries are left to the queue, or they would use up workers.job_timeout_s, and the job be blamed for the outage."""
_POLICY = Policy(max_attempts=TRIES, backoff_s=1.0, backoff_max_s=30.0)


class Backoff:
    """The instant before which no model call of this process is begun."""

    def __init__(self, clock: Clock, chance: Callable[[], float]) -> None:
        self._clock = clock
        self._chance = chance
        self._until = clock.monotonic()

    def hit(self, attempt: int, hint: datetime | None) -> None:
        """The `attempt`-th try (1-based) failed: wait, exponentially and with full jitter, never less than the hint."""
        wait = delay(_POLICY, attempt, self._chance)
        if hint is not None:
            wait = max(wait, (hint - self._clock.now()).total_seconds())
        self._until = max(self._until, self._clock.monotonic() + wait)

    def not_before(self, at: datetime) -> None:
        """Another process was told to wait until then."""
        self._until = max(self._until, self._clock.monotonic() + (at - self._clock.now()).total_seconds())

    def remaining(self) -> float:
        """Seconds until the next call may begin."""
        return max(0.0, self._until - self._clock.monotonic())


class Patience:
    """How long one call of the agent waits in all, whoever's failure it waits for."""

    def __init__(self, backoff: Backoff, clock: Clock) -> None:
        self._backoff = backoff
        self._clock = clock
        self._began = clock.monotonic()
        self._waited = 0.0
        self._failures = 0

    async def wait(self) -> bool:
        """Wait until a call may begin, and say whether that took time; ModelRateLimited, with the time, if it is too long."""
        waited = self._waited
        while (wait := self._backoff.remaining()) > 0:
            if self._waited + wait > WAIT_AT_MOST_S:
                raise ModelRateLimited(
                    "The model's provider asked to be left alone for longer than a review waits.", retry_at=self._in(wait)
                )
            self._waited += wait
            await self._clock.sleep(wait)
        return self._waited > waited

    def try_again_after(self, failure: Failure) -> bool:
        """Note a failed try; whether a further one is allowed. If not, the failure names the time."""
        self._failures += 1
        self._backoff.hit(self._failures, failure.retry_at)
        wait = self._backoff.remaining()
        tried = self._clock.monotonic() - self._began
        if self._failures < TRIES and self._waited + wait <= WAIT_AT_MOST_S and tried + wait <= TRY_AT_MOST_S:
            return True
        failure.retry_at = failure.retry_at or self._in(wait)
        return False

    def _in(self, seconds: float) -> datetime:
        return self._clock.now() + timedelta(seconds=seconds)
