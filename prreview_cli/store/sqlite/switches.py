"""The kill switch on SQLite. It is read from the database each time (some 100 microseconds): a pause by
another process holds from its commit on."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from prreview_cli.core.ports.store import Pause
from prreview_cli.store.sqlite.database import Database
from prreview_cli.store.sqlite.queries import load
from prreview_cli.store.sqlite.rows import maybe_moment, millis, moment, one, plain

_SQL = load("switches.sql")
_LOGIN = "own_login"


class SqliteSwitches:
    """`Switches` as one row that is there or not."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pause(self, reason: str, now: datetime, until: datetime | None = None) -> bool:
        row = {"reason": plain(reason), "since": millis(now), "until": None if until is None else millis(until)}

        def pause(db: sqlite3.Connection) -> bool:
            if (known := _in_force(db, now)) is not None and known.covers(until):
                return False
            db.execute(_SQL["pause"], row)
            return True

        return await self._database.write(pause, durable=True)

    async def resume(self, now: datetime) -> Pause | None:
        def resume(db: sqlite3.Connection) -> Pause | None:
            ended = _in_force(db, now)
            db.execute(_SQL["resume"])
            return ended

        return await self._database.write(resume, durable=True)

    async def paused(self, now: datetime) -> Pause | None:
        return await self._database.read(lambda db: _in_force(db, now))

    async def own_login(self) -> str | None:
        return await self.remembered(_LOGIN)

    async def remember_login(self, login: str) -> None:
        await self.remember(_LOGIN, login)

    async def remembered(self, name: str) -> str | None:
        row = await self._database.read(lambda db: one(db, _SQL["remembered"], {"key": name}))
        return None if row is None else str(row["value"])

    async def remember(self, name: str, value: str) -> None:
        await self._database.write(lambda db: db.execute(_SQL["remember"], {"key": name, "value": value}))


def _in_force(db: sqlite3.Connection, now: datetime) -> Pause | None:
    row = one(db, _SQL["paused"], {"now": millis(now)})
    return None if row is None else Pause(row["reason"], moment(row["since"]), maybe_moment(row["until"]))
