"""Fires signed webhooks at a server and times each acknowledgement, as the code host would feel it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prreview_cli.core.ports.clock import Clock
from prreview_cli.trials.simulators.webhooks import Delivery
from prreview_cli.trials.wire import exchange

PATIENCE_S = 10.0
"""GitHub waits ten seconds for an answer, then counts the delivery as failed (docs.github.com, "Best practices for webhooks")."""
SOCKETS = 256
"""At most so many deliveries are open at once, whatever the burst: a process has only so many files."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A delivery to make, about the review of this name."""

    review: str
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Ack:
    """How a delivery was answered: `status` 0 if not at all within GitHub's patience. `ms` from connecting to the whole answer."""

    review: str
    status: int
    outcome: str
    ms: float

    @property
    def accepted(self) -> bool:
        """Whether the server took the responsibility."""
        return self.status == 200


@dataclass(frozen=True, slots=True)
class Acks:
    """The acknowledgements together, in milliseconds; zeros if there are none."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


async def fire(url: str, shots: Sequence[Shot], rate: float | None, clock: Clock, on_ack: Callable[[Ack], None]) -> list[Ack]:
    """Make all deliveries, all at once or `rate` a second; the acknowledgements in the order of the shots."""
    sockets, begun = asyncio.Semaphore(SOCKETS), clock.monotonic()

    async def one(number: int, shot: Shot) -> Ack:
        if rate is not None:
            await clock.sleep(begun + number / rate - clock.monotonic())
        async with sockets:
            ack = await _deliver(url, shot, clock)
        on_ack(ack)
        return ack

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(number, shot)) for number, shot in enumerate(shots)]
    return [task.result() for task in tasks]


def summary(acks: Iterable[Ack]) -> Acks:
    """Count and percentiles of the accepted ones."""
    times = sorted(ack.ms for ack in acks if ack.accepted)
    if not times:
        return Acks(0, 0.0, 0.0, 0.0)
    return Acks(len(times), _percentile(times, 50), _percentile(times, 99), round(times[-1], 3))


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that so many percent do not exceed."""
    return round(ordered[max(0, -(-len(ordered) * percent // 100) - 1)], 3)


async def _deliver(url: str, shot: Shot, clock: Clock) -> Ack:
    started, status, body = clock.monotonic(), 0, b""
    try:
        async with asyncio.timeout(PATIENCE_S):
            status, body = await exchange(url, method="POST", headers=shot.delivery.headers, body=shot.delivery.body)
    except (OSError, EOFError, ValueError):  # TimeoutError is an OSError, a cut answer an EOFError
        status = 0
    return Ack(shot.review, status, _outcome(body), (clock.monotonic() - started) * 1000)


def _outcome(body: bytes) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return ""
    return str(answer.get("status", "")) if isinstance(answer, dict) else ""
