"""The pools that beat, in plain Python."""

from __future__ import annotations

from datetime import datetime

from prreview_cli.core.ports.store import Beat
from prreview_cli.store.memory.tables import Tables


class MemoryPools:
    """`Pools` over a dictionary. A pool that has beaten lives for as long as the store object that it beat in."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._living: set[str] = set()

    async def beat(self, beat: Beat) -> None:
        self._living.add(beat.worker)
        self._tables.locks.add(beat.worker)
        self._tables.beats[beat.worker] = beat

    async def leave(self, worker: str) -> None:
        self._tables.beats.pop(worker, None)
        if worker in self._living:
            self._living.discard(worker)
            self._tables.locks.discard(worker)

    def dead(self) -> set[str]:
        """Those who beat in another store object, which is gone, and did not leave in it."""
        return self._tables.locks - self._living

    def bury(self, dead: set[str]) -> None:
        """Nothing depends on these any more."""
        self._tables.locks -= dead
        for worker in dead:
            self._tables.beats.pop(worker, None)

    async def alive(self, since: datetime) -> list[Beat]:
        return sorted((beat for beat in self._tables.beats.values() if beat.at >= since), key=lambda beat: beat.worker)
