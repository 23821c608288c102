"""Waking those who wait for a change, without losing one that came just before they began to wait."""

from __future__ import annotations

import asyncio

from prreview_cli.core.ports.clock import Clock


class Bell:
    """Counts changes. A change counts as heard once someone has looked at the data after it (`heard_at`)
    or was woken by it (`heard`), so a loop of "look, then wait" misses nothing and never spins."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = 0
        self._heard = 0
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def rung(self) -> int:
        """How often it has rung: take it before a look, and hand it to `heard_at` after it."""
        return self._rung

    def ring(self) -> None:
        """Something has changed. Call it from the loop's thread."""
        self._rung += 1
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def heard_at(self, rung: int) -> None:
        """A look that began after `rung` changes has found nothing to do."""
        self._heard = rung

    def heard(self) -> bool:
        """Whether it has rung since the last look, and from now on no longer."""
        missed = self._rung != self._heard
        self._heard = self._rung
        return missed

    async def wait(self, seconds: float) -> None:
        """Return when it rings, or after that time."""
        waiter = asyncio.get_running_loop().create_future()
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        self._waiters.add(waiter)
        try:
            await asyncio.wait({waiter, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiters.discard(waiter)
            waiter.cancel()
            timer.cancel()
