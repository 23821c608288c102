"""A store in one SQLite file, for any number of processes on one machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prreview_cli.core.ports.circuits import Circuits, Turns
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Jobs, Pools, Reviews, Spend, Switches
from prreview_cli.store.leases import Observer
from prreview_cli.store.sqlite.bodies import Bodies
from prreview_cli.store.sqlite.circuits import SqliteCircuits, SqliteTurns
from prreview_cli.store.sqlite.connect import connect
from prreview_cli.store.sqlite.database import Database
from prreview_cli.store.sqlite.jobs import SqliteJobs
from prreview_cli.store.sqlite.liveness import Liveness
from prreview_cli.store.sqlite.location import parse_sqlite_url
from prreview_cli.store.sqlite.pools import SqlitePools
from prreview_cli.store.sqlite.reviews import SqliteReviews
from prreview_cli.store.sqlite.spend import SqliteSpend
from prreview_cli.store.sqlite.switches import SqliteSwitches

__all__ = ["SqliteStore", "open_sqlite", "parse_sqlite_url"]


class SqliteStore:
    """`Store` over one open database. It belongs to the event loop it was opened in."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._liveness = Liveness(database.path)
        self._bodies = Bodies(database)
        self.jobs: Jobs = SqliteJobs(database, self._liveness, self._bodies, Observer(clock))
        self.reviews: Reviews = SqliteReviews(database)
        self.spend: Spend = SqliteSpend(database)
        self.switches: Switches = SqliteSwitches(database)
        self.pools: Pools = SqlitePools(database, self._liveness)
        self.circuits: Circuits = SqliteCircuits(database)
        self.turns: Turns = SqliteTurns(database)

    async def changed(self, timeout_s: float) -> None:
        await self._database.changed(timeout_s)

    async def check_writable(self) -> None:
        await self._database.check_writable()

    async def close(self) -> None:
        await self._bodies.kept()
        await self._database.close()
        self._liveness.release()


async def open_sqlite(
    path: Path, *, environment: str, host: str, clock: Clock, busy_timeout_ms: int, must_exist: bool = False
) -> SqliteStore:
    """Open the file, creating and migrating it as needed; see `prreview_cli.store.open_store`."""
    owner = {"environment": environment, "host": host}
    connections = await asyncio.to_thread(connect, path, owner, busy_timeout_ms, must_exist=must_exist)
    return SqliteStore(Database(connections, clock), clock)
