"""A store in plain Python: the reference for every other one, and the store of unit tests."""

from __future__ import annotations

from prreview_cli.core.ports.circuits import Circuits, Turns
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Jobs, Pools, Reviews, Spend, Switches
from prreview_cli.store.bell import Bell
from prreview_cli.store.leases import Observer
from prreview_cli.store.memory.circuits import MemoryCircuits, MemoryTurns
from prreview_cli.store.memory.jobs import MemoryJobs
from prreview_cli.store.memory.pools import MemoryPools
from prreview_cli.store.memory.reviews import MemoryReviews
from prreview_cli.store.memory.spend import MemorySpend
from prreview_cli.store.memory.switches import MemorySwitches
from prreview_cli.store.memory.tables import Tables

__all__ = ["MemoryStore"]


class MemoryStore:
    """`Store` without a disk. It keeps every promise but durability. One object is one process: made anew over the
    same tables, it is what the next process finds after a crash, when all who lived in the first one are dead."""

    def __init__(self, clock: Clock, tables: Tables | None = None) -> None:
        tables = tables or Tables()
        pools = MemoryPools(tables)
        self._clock = clock
        self._bell = Bell(clock)
        self.jobs: Jobs = MemoryJobs(tables, self._bell, pools, Observer(clock))
        self.reviews: Reviews = MemoryReviews(tables, self._bell)
        self.spend: Spend = MemorySpend(tables)
        self.switches: Switches = MemorySwitches(tables, self._bell)
        self.pools: Pools = pools
        self.circuits: Circuits = MemoryCircuits(tables, self._bell)
        self.turns: Turns = MemoryTurns(tables)

    async def changed(self, timeout_s: float) -> None:
        if not self._bell.heard():
            await self._bell.wait(timeout_s)
            self._bell.heard()

    async def check_writable(self) -> None:
        """It always is."""

    async def close(self) -> None:
        """Nothing to release."""
