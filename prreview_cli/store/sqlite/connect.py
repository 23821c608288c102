"""Opening connections with the settings that the promises rest on."""

from __future__ import annotations

import sqlite3
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.store.sqlite.failures import unusable
from prreview_cli.store.sqlite.location import identity, prepare
from prreview_cli.store.sqlite.migrate import migrate

_OLDEST = (3, 37)  # STRICT tables; RETURNING is older
_RETRY_S = 0.01
_LONGEST_RACE_S = 30.0


@dataclass(frozen=True, slots=True)
class Connections:
    """`durable` fsyncs each commit, `relaxed` leaves that to the next durable one or the checkpoint; both
    are for the writer's thread alone. `reader` never writes."""

    path: Path
    file: tuple[int, int]
    durable: sqlite3.Connection
    relaxed: sqlite3.Connection
    reader: sqlite3.Connection


def connect(path: Path, owner: dict[str, str], busy_timeout_ms: int, *, must_exist: bool) -> Connections:
    """Open a database, creating and migrating it as needed. StoreUnusable says why it cannot be."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StoreUnusable(
            f"This Python's SQLite is {sqlite3.sqlite_version}; prreview needs 3.37 or newer.", remedy="Use a newer Python or system."
        )
    path = prepare(path, must_exist=must_exist)
    opened: list[sqlite3.Connection] = []
    try:
        durable = _open(path, busy_timeout_ms, opened)
        _switch_to_wal(durable)
        durable.execute("PRAGMA synchronous = FULL")
        migrate(durable, path, owner)
        relaxed = _open(path, busy_timeout_ms, opened)
        relaxed.execute("PRAGMA synchronous = NORMAL")
        reader = _open(path, busy_timeout_ms, opened)
        reader.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        _close(opened)
        raise unusable(path, error) from error
    except StoreUnusable:
        _close(opened)
        raise
    return Connections(path, identity(path), durable, relaxed, reader)


def _open(path: Path, busy_timeout_ms: int, opened: list[sqlite3.Connection]) -> sqlite3.Connection:
    uri = path.as_uri() + "?mode=rw"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256)
    opened.append(db)
    db.row_factory = sqlite3.Row
    db.execute(f"PRAGMA busy_timeout = {busy_timeout_ms}")
    db.execute("PRAGMA wal_autocheckpoint = 1000")
    db.execute("PRAGMA trusted_schema = OFF")
    if sys.platform == "darwin":  # fsync there leaves the data in the disk's own cache
        db.execute("PRAGMA fullfsync = ON")
        db.execute("PRAGMA checkpoint_fullfsync = ON")
    return db


def _close(opened: list[sqlite3.Connection]) -> None:
    for connection in opened:
        connection.close()


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Simultaneous first opens are told "locked" here whatever the busy_timeout: try again."""
    pause = threading.Event()
    for _ in range(int(_LONGEST_RACE_S / _RETRY_S)):
        try:
            if db.execute("PRAGMA journal_mode = WAL").fetchall()[0][0] == "wal":
                return
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                raise
        pause.wait(_RETRY_S)
    db.execute("PRAGMA journal_mode = WAL").fetchall()
