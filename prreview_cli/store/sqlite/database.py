"""One open database: writing through the writer thread, reading beside the loop, hearing of changes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.ports.clock import Clock
from prreview_cli.store.bell import Bell
from prreview_cli.store.sqlite.connect import Connections
from prreview_cli.store.sqlite.writer import Writer, closed

T = TypeVar("T")

_LOOK_S = 0.075
"""How often a waiting process looks for another's commits: a look costs microseconds."""
_ROOM = 16 << 20
"""Bytes that must be free for a delivery to count as storable."""
_FRESH_S = 1.0


class Database:
    """For one event loop, whose thread never touches SQLite itself."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        self.path = connections.path
        self._connections = connections
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="prreview-store-reader")
        self._bell = Bell(clock)
        self._writer = Writer(connections, self._loop, self._bell.ring)
        self._writer.start()
        self._version = -1
        self._closed = False
        self._checked: tuple[float, StoreUnusable | None] | None = None

    async def write(self, operation: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """The operation's result, once its group is committed (on the disk, if it is durable). It runs in the
        writer's thread and transaction; raising undoes it alone. StoreUnusable if the group cannot be stored."""
        return await self.submit(operation, durable=durable)

    def submit(self, operation: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> asyncio.Future[T]:
        """As `write`, for who wants the outcome even when cancelled."""
        if self._closed:
            raise closed(self.path)
        return self._writer.submit(operation, durable=durable)

    async def read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """The operation's result, all of it seen at one moment."""
        return await self._off_loop(lambda db: _at_one_moment(db, operation))

    async def look(self, operation: Callable[[sqlite3.Connection], bool]) -> bool:
        """As `read`, for a look that decides whether to wait: if it finds nothing, `changed` returns only
        for what came after it."""
        rung = self._bell.rung
        version, found = await self._off_loop(lambda db: (_version(db), _at_one_moment(db, operation)))
        if self._note(version):
            rung += 1
        if not found:
            self._bell.heard_at(rung)
        return found

    async def changed(self, timeout_s: float) -> None:
        """Return when something was committed, by whomever, or after that time."""
        if self._bell.heard():
            return
        rung, deadline = self._bell.rung, self._clock.monotonic() + timeout_s
        while self._bell.rung == rung and (left := deadline - self._clock.monotonic()) > 0:
            await self._bell.wait(min(left, _LOOK_S))
            self._note(await self._off_loop(_version))
        self._bell.heard()

    async def check_writable(self) -> None:
        """A real durable write, and room for more; remembered for a second, whatever the outcome."""
        now = self._clock.monotonic()
        if self._checked is None or now - self._checked[0] >= _FRESH_S:
            self._checked = (now, await self._check())
        if self._checked[1] is not None:
            raise self._checked[1]

    async def close(self) -> None:
        """Write what was handed in, bring the log home, release the files."""
        if self._closed:
            return
        self._closed = True
        self._writer.stop()
        await asyncio.to_thread(self._release)

    def _release(self) -> None:
        self._writer.join()
        self._reading.shutdown()
        connections = self._connections
        with contextlib.suppress(sqlite3.Error):  # another process may be at it; nothing is lost
            connections.durable.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        for connection in (connections.reader, connections.relaxed, connections.durable):
            connection.close()

    async def _off_loop(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise closed(self.path)
        try:
            return await self._loop.run_in_executor(self._reading, operation, self._connections.reader)
        except sqlite3.Error as error:
            raise self._writer.note_damage(error) from error

    def _note(self, version: int) -> bool:
        """Ring if another connection has committed since the last look; whether it did."""
        moved = version != self._version
        self._version = version
        if moved:
            self._bell.ring()
        return moved

    async def _check(self) -> StoreUnusable | None:
        try:
            at = str(round(self._clock.monotonic() * 1000))
            await self.write(lambda db: db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('pulse', ?)", (at,)), durable=True)
            free = os.statvfs(self.path.parent)
        except StoreUnusable as error:
            return error
        except OSError as error:
            return StoreUnusable(f"The disk of the database {self.path} cannot be asked how much room it has: {error.strerror}.")
        if free.f_bavail * free.f_frsize < _ROOM:
            return StoreUnusable(
                f"The disk of the database {self.path} has less than 16 MiB left.",
                remedy="Make room on it. Nothing needs to be restarted.",
            )
        return None


def _version(db: sqlite3.Connection) -> int:
    """Changes with every commit of any other connection, in this process or another."""
    return int(db.execute("PRAGMA data_version").fetchall()[0][0])


def _at_one_moment(db: sqlite3.Connection, operation: Callable[[sqlite3.Connection], T]) -> T:
    db.execute("BEGIN")
    try:
        return operation(db)
    finally:
        db.execute("COMMIT")
