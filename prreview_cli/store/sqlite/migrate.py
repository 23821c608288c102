"""Bringing a database to the newest schema, safely even when many processes open it at once."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.store.sqlite.queries import statements

APPLICATION_ID = 0x70727276
"""Marks the file as ours (`file` shows it); a database without it that has tables is somebody else's."""


def migrations() -> list[str]:
    """The numbered files, in order; the first one brings a database to version 1."""
    folder = files(__package__).joinpath("migrations")
    return sorted(f"migrations/{entry.name}" for entry in folder.iterdir() if entry.name.endswith(".sql"))


def migrate(db: sqlite3.Connection, path: Path, owner: dict[str, str]) -> None:
    """Apply what is missing, and record or check whom the database belongs to (`owner`: environment, host).

    A schema only ever grows newer, so one that is the newest without the lock stays so. Anything else is
    read again under the write lock, since another process may be at it.
    """
    steps = migrations()
    if _version(db) != len(steps):
        db.execute("BEGIN IMMEDIATE")
        try:
            _apply(db, path, steps, owner)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    _expect_owner(db, path, owner)


def _apply(db: sqlite3.Connection, path: Path, steps: list[str], owner: dict[str, str]) -> None:
    version = _version(db)
    if version > len(steps):
        raise StoreUnusable(
            f"The database {path} was written by a newer prreview (schema {version}; this program knows {len(steps)}).",
            remedy="Use the newer program, or restore a backup from before the upgrade.",
        )
    if version == 0 and _value(db, "SELECT count(*) FROM sqlite_schema"):
        raise _foreign(path)
    for step in steps[version:]:
        for statement in statements(step):
            db.execute(statement)
    if version == 0:
        db.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", owner.items())
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {len(steps)}")


def _expect_owner(db: sqlite3.Connection, path: Path, owner: dict[str, str]) -> None:
    if _value(db, "PRAGMA application_id") != APPLICATION_ID:
        raise _foreign(path)
    for key, ours in owner.items():
        theirs = _value(db, "SELECT value FROM meta WHERE key = ?", key)
        if theirs != ours:
            raise StoreUnusable(
                f"The database {path} belongs to the {key} {theirs!r}, not to {ours!r}.",
                remedy="Give each environment and code host a queue.url of its own.",
            )


def _foreign(path: Path) -> StoreUnusable:
    return StoreUnusable(f"The file {path} is the database of another program.", remedy="Let queue.url name another file.")


def _version(db: sqlite3.Connection) -> int:
    return int(_value(db, "PRAGMA user_version"))


def _value(db: sqlite3.Connection, sql: str, *values: str) -> str | int:
    rows = db.execute(sql, values).fetchall()
    value: str | int = rows[0][0] if rows else ""
    return value
