"""Who may come in when too many want to: the bounds of one listener, over all its connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

READ_BYTES = 32 << 10
"""A usual delivery arrives in one read. asyncio's own 256 KiB a read are 100 MiB when 400 strangers send at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may take before it is taken for hostile. Bytes and seconds.

    Chunk framing and trailers count as headers: they, too, are not body.
    """

    header_bytes: int = 64 << 10
    header_lines: int = 128  # a short line costs twenty times its bytes in memory
    header_bytes_together: int = 2 << 20
    header_s: float = 5.0
    body_s: float = 10.0
    answer_s: float = 30.0  # ours to be ready in, and the client's to take it
    idle_s: float = 75.0  # longer than the 60 s of nginx and load balancers, so that it is they who close
    linger_s: float = 5.0
    linger_bytes: int = 32 << 20  # a code host sends up to 25 MB
    connections: int = 400
    grace_s: float = 0.25  # how long a connection may be silent in a burst of good ones
    pipelined: int = 16


class Guarded(Protocol):
    """A connection as the keeper sees it."""

    header_bytes: int

    def pace(self, now: float) -> float:
        """Bytes a second; infinite while nothing is expected of the sender."""

    def age(self, now: float) -> float:
        """Seconds since the present phase began."""

    def shed(self) -> None:
        """End, for the sake of others."""


class Keeper:
    """Keeps count of a listener's connections and gives up the slowest still sending, never the newest good one.

    `turned_away` is told the outcome of each request that is refused before the application sees it. All
    connections read into the one `read_buffer`, a piece at a time, which is dealt with before the next is read.
    """

    def __init__(self, limits: Limits, turned_away: Callable[[str], None] | None = None) -> None:
        self.limits = limits
        self.read_buffer = memoryview(bytearray(READ_BYTES))
        self._inside: set[Guarded] = set()
        self._header_bytes = 0
        self._turned_away = turned_away

    def enter(self, guarded: Guarded, now: float) -> None:
        """A connection is made; if there are too many, the slowest goes."""
        self._inside.add(guarded)
        if len(self._inside) > self.limits.connections:
            slowest = _slowest(self._inside, now)
            # Many good connections made in one moment are all silent in it: they have a while, up to twice the bound.
            if slowest.age(now) >= self.limits.grace_s or len(self._inside) > 2 * self.limits.connections:
                self._shed(slowest)

    def leave(self, guarded: Guarded) -> None:
        """A connection is gone."""
        self._inside.discard(guarded)
        self.drop_headers(guarded)

    def hold_headers(self, guarded: Guarded, size: int, now: float) -> None:
        """So many more bytes of unfinished headers are in memory; if there are too many, the slowest goes."""
        guarded.header_bytes += size
        self._header_bytes += size
        while self._header_bytes > self.limits.header_bytes_together:
            self._shed(_slowest((one for one in self._inside if one.header_bytes), now))

    def drop_headers(self, guarded: Guarded) -> None:
        """The headers of this connection are complete, or gone."""
        self._header_bytes -= guarded.header_bytes
        guarded.header_bytes = 0

    def refused(self, outcome: str) -> None:
        """Count a refusal."""
        if self._turned_away is not None:
            self._turned_away(outcome)

    def _shed(self, guarded: Guarded) -> None:
        self.leave(guarded)
        guarded.shed()


def _slowest(connections: Iterable[Guarded], now: float) -> Guarded:
    return min(connections, key=lambda guarded: guarded.pace(now))
