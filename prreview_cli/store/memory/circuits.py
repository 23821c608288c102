"""Outages, limits and turns, in plain Python."""

from __future__ import annotations

from datetime import datetime

from prreview_cli.core.circuit import Circuit, Event, Service, after
from prreview_cli.core.pace import Pace, next_turn
from prreview_cli.store.bell import Bell
from prreview_cli.store.memory.tables import Tables


class MemoryCircuits:
    """`Circuits` as two values."""

    def __init__(self, tables: Tables, bell: Bell) -> None:
        self._tables = tables
        self._bell = bell

    async def note(self, service: Service, event: Event, now: datetime) -> tuple[Circuit, Circuit]:
        before = self._tables.circuits[service]
        self._tables.circuits[service] = after(before, event, now)
        self._bell.ring()
        return before, self._tables.circuits[service]

    async def all(self) -> list[Circuit]:
        return list(self._tables.circuits.values())


class MemoryTurns:
    """`Turns` as one value."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def next(self, pace: Pace, patience_s: float, now: datetime) -> datetime:
        turn, self._tables.taken = next_turn(self._tables.taken, pace, patience_s, now)
        return turn
