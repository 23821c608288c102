"""What all processes on a database know together of the services they ask: outages, limits, and whose turn it is."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from prreview_cli.core.circuit import Circuit, Event, Service
from prreview_cli.core.pace import Pace


class Circuits(Protocol):
    """The circuits of the model and the host (`core.circuit`). `Jobs.claim` and `Jobs.take` obey them in their own
    transaction: no job is taken while one is limited or open, and one at a time while it is half-open."""

    async def note(self, service: Service, event: Event, now: datetime) -> tuple[Circuit, Circuit]:
        """Apply `core.circuit.after` in one transaction: the circuit before it, and as it is now. Cheap where nothing
        changes. Not durable: losing it with the machine means only that the service is asked again."""

    async def all(self) -> list[Circuit]:
        """Both circuits, closed ones too."""


class Turns(Protocol):
    """The turns to write to the host."""

    async def next(self, pace: Pace, patience_s: float, now: datetime) -> datetime:
        """Take the next turn to write (`core.pace`), no two callers the same; when it is. One that is later than
        `patience_s` from now is not taken: come back then. Not durable."""
