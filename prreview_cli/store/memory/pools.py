"""The pools that beat, in plain Python."""

from __future__ import annotations

from datetime import datetime

from prreview_cli.core.ports.store import Beat
from prreview_cli.store.memory.tables import Tables


class MemoryPools:
    """`Pools` over a dictionary. A memory store dies with its process, so no pool's death can be seen in it."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def beat(self, beat: Beat) -> None:
        self._tables.beats[beat.worker] = beat

    async def leave(self, worker: str) -> None:
        self._tables.beats.pop(worker, None)

    async def alive(self, since: datetime) -> list[Beat]:
        return sorted((beat for beat in self._tables.beats.values() if beat.at >= since), key=lambda beat: beat.worker)
