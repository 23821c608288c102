"""Telling someone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class AlertKind(StrEnum):
    """What is worth waking someone for."""

    PAUSED = "paused"
    RESUMED = "resumed"
    JOB_DEAD = "job_dead"
    BUDGET_CLOSED = "budget_closed"
    CIRCUIT_OPEN = "circuit_open"


@dataclass(frozen=True, slots=True)
class Alert:
    """One event, told once."""

    kind: AlertKind
    environment: str
    at: datetime
    reason: str
    job: str | None = None
    repository: str | None = None
    number: int | None = None


class Alerts(Protocol):
    """Tells the operator; a failure to tell is noted and never stops the work."""

    async def tell(self, alert: Alert) -> None:
        """Begin to tell it, and return at once: nobody's job waits for a pager."""
