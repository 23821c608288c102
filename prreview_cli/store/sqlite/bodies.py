"""Keeping the raw bodies of deliveries, behind the acknowledgements and out of their way.

Measured with ten webhooks at once: bodies written with the acceptances more than double the slowest answer; a
moment later they cost none. So they are gathered for a quarter of a second and written together, without an fsync.
Only a flood of thousands a second is slowed, by a third: their bytes have to go to the same disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import zlib

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.store.sqlite.database import Database
from prreview_cli.store.sqlite.queries import load
from prreview_cli.telemetry import logger

LULL_S = 0.25
MOST_WAITING = 16
GZIP = 31
"""zlib's word for the gzip format, by whose first bytes `audit-logs`, or anybody, knows that a body is packed."""

_SQL = load("jobs.sql")

log = logger("store")


class Bodies:
    """The bodies of one open database. Losing one means only that its delivery cannot be replayed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[int, bytes]] = []
        self._timer: asyncio.TimerHandle | None = None

    def keep(self, row: int, body: bytes) -> None:
        """Keep the body of the delivery in this row, soon."""
        self._waiting.append((row, body))
        if len(self._waiting) >= MOST_WAITING:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LULL_S, self._write)

    async def kept(self) -> None:
        """Return once everything handed in so far is written, or has failed, which is logged."""
        if (writing := self._write()) is not None:
            await asyncio.wait({writing})

    def _write(self) -> asyncio.Future[None] | None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        bodies, self._waiting = self._waiting, []
        if not bodies:
            return None
        with contextlib.suppress(StoreUnusable):  # the process is ending
            writing = self._database.submit(lambda db: _insert(db, bodies))
            writing.add_done_callback(_told)
            return writing
        return None


def _insert(db: sqlite3.Connection, bodies: list[tuple[int, bytes]]) -> None:
    # JSON shrinks to an eighth in a tenth of a millisecond; here that costs the writer's thread, and not the loop.
    db.executemany(_SQL["insert_body"], [{"id": row, "body": zlib.compress(body, 1, wbits=GZIP)} for row, body in bodies])


def _told(writing: asyncio.Future[None]) -> None:
    if not writing.cancelled() and (trouble := writing.exception()) is not None:
        log.warning("bodies_not_kept", reason=str(trouble))
