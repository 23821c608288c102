"""The kill switch, in plain Python."""

from __future__ import annotations

from datetime import datetime

from prreview_cli.core.ports.store import Pause
from prreview_cli.store.bell import Bell
from prreview_cli.store.memory.tables import Tables


class MemorySwitches:
    """`Switches` over two fields."""

    def __init__(self, tables: Tables, bell: Bell) -> None:
        self._tables = tables
        self._bell = bell

    async def pause(self, reason: str, now: datetime, until: datetime | None = None) -> bool:
        if (known := self._tables.paused(now)) is not None and known.covers(until):
            return False
        self._tables.pause = Pause(reason, now, until)
        self._bell.ring()
        return True

    async def resume(self, now: datetime) -> Pause | None:
        ended, self._tables.pause = self._tables.paused(now), None
        self._bell.ring()
        return ended

    async def paused(self, now: datetime) -> Pause | None:
        return self._tables.paused(now)

    async def own_login(self) -> str | None:
        return await self.remembered("own_login")

    async def remember_login(self, login: str) -> None:
        await self.remember("own_login", login)

    async def remembered(self, name: str) -> str | None:
        return self._tables.facts.get(name)

    async def remember(self, name: str, value: str) -> None:
        self._tables.facts[name] = value
