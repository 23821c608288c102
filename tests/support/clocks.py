"""A clock that a test owns."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Time moves only when the test says so; a sleeper wakes when its time has come."""

    def __init__(self, now: datetime = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)) -> None:
        self._start = now
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds <= 0:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._elapsed + seconds, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let time pass; whoever's time has come runs before this returns."""
        self._elapsed += seconds
        due = [woken for at, woken in self._sleepers if at <= self._elapsed]
        self._sleepers = [(at, woken) for at, woken in self._sleepers if at > self._elapsed]
        for woken in due:
            if not woken.done():
                woken.set_result(None)
        await settled()


class ImpatientClock(FakeClock):
    """Never makes anyone wait: a sleep moves the time and returns."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._elapsed += max(seconds, 0.0)
        await settled(1)


async def settled(turns: int = 50) -> None:
    """Give every ready task of the loop its turn."""
    loop = asyncio.get_running_loop()
    for _ in range(turns):
        turn = loop.create_future()
        loop.call_soon(turn.set_result, None)
        await turn
