"""The pools that beat, on SQLite."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from prreview_cli.core.ports.store import Beat
from prreview_cli.store.sqlite.database import Database
from prreview_cli.store.sqlite.liveness import Liveness
from prreview_cli.store.sqlite.queries import load
from prreview_cli.store.sqlite.rows import millis, moment

_SQL = load("pools.sql")


class SqlitePools:
    """`Pools`; a pool that has beaten holds its lock file for as long as its process lives."""

    def __init__(self, database: Database, liveness: Liveness) -> None:
        self._database = database
        self._liveness = liveness

    async def beat(self, beat: Beat) -> None:
        row = {
            "worker": beat.worker,
            "pid": beat.pid,
            "slots": beat.slots,
            "at": millis(beat.at),
            "model_calls_in_flight": beat.model_calls_in_flight,
        }

        def write(db: sqlite3.Connection) -> None:
            self._liveness.hold(beat.worker)
            db.execute(_SQL["beat"], row)

        await self._database.write(write)

    async def leave(self, worker: str) -> None:
        def write(db: sqlite3.Connection) -> None:
            db.execute(_SQL["leave"], {"worker": worker})
            self._liveness.let_go(worker)

        await self._database.write(write)

    async def alive(self, since: datetime) -> list[Beat]:
        rows = await self._database.read(lambda db: db.execute(_SQL["alive"], {"since": millis(since)}).fetchall())
        return [Beat(row["worker"], row["pid"], row["slots"], moment(row["at"]), row["model_calls_in_flight"]) for row in rows]
