"""The one thread that writes, with group commit.

Whatever was handed in while a commit was on its way to the disk shares the next one, so a thousand
producers cost a handful of fsyncs. A member is answered only after the commit of its group: SQLite may
roll back the whole transaction when the disk is full, whatever a member's own statements returned.

`except Exception` stands here because the thread is a boundary: a member's failure is told to the member,
a group's to each of its members, and the next group is written all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.store.sqlite.connect import Connections
from prreview_cli.store.sqlite.failures import is_damage, unusable
from prreview_cli.store.sqlite.location import expect_same

Operation = Callable[[sqlite3.Connection], Any]
_LARGEST_GROUP = 256


@dataclass(slots=True)
class Member:
    """One operation of a group, and who waits for it."""

    operation: Operation
    durable: bool
    future: asyncio.Future[Any]
    value: Any = None
    error: Exception | None = None


class Writer(threading.Thread):
    """Runs operations in transactions. Two connections: a group with a durable member commits with fsync,
    any other without. `on_commit` is called in the loop's thread after each group.

    Once a page was found damaged (`note_damage`, from whatever thread) nothing is written any more: what is written into
    a broken file may be lost, and nobody may be told that it was accepted."""

    def __init__(self, connections: Connections, loop: asyncio.AbstractEventLoop, on_commit: Callable[[], None]) -> None:
        super().__init__(name="prreview-store-writer", daemon=True)
        self._path: Path = connections.path
        self._file = connections.file
        self._durable = connections.durable
        self._relaxed = connections.relaxed
        self._loop = loop
        self._on_commit = on_commit
        self._inbox: SimpleQueue[Member | None] = SimpleQueue()
        self._damage: StoreUnusable | None = None

    def submit(self, operation: Operation, *, durable: bool) -> asyncio.Future[Any]:
        """Hand in an operation; its result, after the commit. It runs even if nobody waits any more."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._inbox.put(Member(operation, durable, future))
        return future

    def stop(self) -> None:
        """End after what was handed in."""
        self._inbox.put(None)

    def run(self) -> None:
        while (first := self._inbox.get()) is not None:
            group, more = self._gather(first)
            self._commit(group)
            self._answer(group)
            if not more:
                return

    def _gather(self, first: Member) -> tuple[list[Member], bool]:
        """What waits by now, and whether more may come."""
        group = [first]
        with contextlib.suppress(Empty):
            while len(group) < _LARGEST_GROUP:
                member = self._inbox.get_nowait()
                if member is None:
                    return group, False
                group.append(member)
        return group, True

    def _commit(self, group: list[Member]) -> None:
        db = self._durable if any(member.durable for member in group) else self._relaxed
        try:
            self._expect_whole()
            expect_same(self._path, self._file)
            db.execute("BEGIN IMMEDIATE")
            for member in group:
                self._run(db, member)
            self._expect_whole()
            db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  (told to each member)
            for member in group:
                member.error = self._told(error)
            with contextlib.suppress(sqlite3.Error):
                if db.in_transaction:
                    db.execute("ROLLBACK")

    def _run(self, db: sqlite3.Connection, member: Member) -> None:
        """One member's failure is its own, unless it has ended the transaction of all."""
        db.execute("SAVEPOINT member")
        try:
            member.value = member.operation(db)
        except Exception as error:
            if not db.in_transaction:
                raise
            db.execute("ROLLBACK TO member")
            member.error = self._told(error)
        db.execute("RELEASE member")

    def _expect_whole(self) -> None:
        if self._damage is not None:
            raise StoreUnusable(str(self._damage), remedy=self._damage.remedy)  # one anew: each raising adds to its traceback

    def _told(self, error: Exception) -> Exception:
        return self.note_damage(error) if isinstance(error, sqlite3.Error) else error

    def note_damage(self, error: sqlite3.Error) -> StoreUnusable:
        """What an operator is told of any error; one that means damage ends all writing."""
        told = unusable(self._path, error)
        if is_damage(error):
            self._damage = told
        return told

    def _answer(self, group: list[Member]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it everyone who waited
            self._loop.call_soon_threadsafe(self._deliver, group)

    def _deliver(self, group: list[Member]) -> None:
        for member in group:
            if member.future.done():
                continue
            if member.error is None:
                member.future.set_result(member.value)
            else:
                member.future.set_exception(member.error)
        self._on_commit()


def closed(path: Path) -> StoreUnusable:
    """What is said to whoever comes too late."""
    return StoreUnusable(f"The database {path} was closed by this process.", remedy="Nothing to do: the process is ending.")
