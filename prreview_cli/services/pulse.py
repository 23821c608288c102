"""A pool's signs of life, by which readiness knows that reviews flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Beat, Pools
from prreview_cli.services.trouble import Trouble
from prreview_cli.telemetry import logger

log = logger("pulse")

EVERY_S = 2.0
FRESH_S = 10.0
"""A pool that has not beaten for so many seconds is taken for dead."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """Beats for one pool."""

    worker: str
    pid: int
    slots: int
    pools: Pools
    clock: Clock
    model_calls_in_flight: Callable[[], int]

    async def beat(self) -> None:
        """Beat once; the first beat registers the pool."""
        await self.pools.beat(Beat(self.worker, self.pid, self.slots, self.clock.now(), self.model_calls_in_flight()))

    async def run(self) -> None:
        """Beat until cancelled."""
        trouble = Trouble(log, "beat_missed", self.clock, EVERY_S)
        while True:
            wait = EVERY_S
            try:
                await self.beat()
                trouble.over()
            except StoreUnusable as unusable:
                wait = trouble.met(unusable)
            await self.clock.sleep(wait)
