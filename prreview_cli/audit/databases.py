"""The columns of a SQLite database: a value that overflows a page is cut into pieces in the file, and whole only here.

The database is opened read-only. For one in WAL mode SQLite would still make a -wal and a -shm where there is none
(https://sqlite.org/wal.html#readonly), so a file without a -wal is opened as immutable; beside a -wal that a crash
left, the -shm, its index, is made anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from prreview_cli.audit.unpacking import Unfinished

MAGIC = b"SQLite format 3\0"
COMPANIONS = ("-wal", "-journal")
MAX_VALUE = 16 << 20
"""A longer value, or a longer row, would not fit into the memory that an audit may take."""

_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Cell:
    """One value. `row` is its rowid, or its number where the table has none."""

    column: str
    row: int
    value: bytes


def companions(path: Path) -> list[Path]:
    """The files beside a database that hold what is not in it yet, or no more."""
    return [beside for suffix in COMPANIONS if (beside := path.with_name(path.name + suffix)).is_file()]


def cells(path: Path) -> Generator[Cell, None, None]:
    """Every text and blob in every table. Unfinished, at the end, if some could not be read."""
    problems: list[str] = []
    try:
        with closing(_opened(path)) as db:
            for table in _tables(db):
                try:
                    yield from _rows(db, table)
                except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
                    problems.append(f"table {table}: {_why(error)}")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        problems.append(_why(error))
    if problems:
        raise Unfinished(f"its columns were not all read ({'; '.join(problems)}); its bytes were")


def _opened(path: Path) -> sqlite3.Connection:
    mode = "mode=ro" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"
    db = sqlite3.connect(f"file:{quote(os.fsencode(path.absolute()))}?{mode}", uri=True, timeout=_PATIENCE_S, isolation_level=None)
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
    db.text_factory = bytes  # text that is not UTF-8 is searched all the same
    for pragma in ("trusted_schema=OFF", "query_only=ON", "cell_size_check=ON", "cache_size=-2048", "mmap_size=0"):
        db.execute(f"PRAGMA {pragma}")
    return db


def _tables(db: sqlite3.Connection) -> list[str]:
    """Ordinary tables; what a virtual one holds stands in its shadow tables."""
    rows = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name")
    return ["sqlite_schema", *(name.decode(errors="replace") for (name,) in rows)]


def _rows(db: sqlite3.Connection, table: str) -> Iterator[Cell]:
    rowid = "rowid" if _has_rowid(db, table) else "0"
    rows = db.execute(f"SELECT {rowid}, * FROM {_quoted(table)}")  # noqa: S608 - a name cannot be bound, so it is quoted
    columns = [f"{table}.{column[0]}" for column in rows.description[1:]]
    for number, (row, *values) in enumerate(rows, 1):
        for column, value in zip(columns, values, strict=True):
            if isinstance(value, bytes) and value:
                yield Cell(column, row if isinstance(row, int) and row else number, value)


def _has_rowid(db: sqlite3.Connection, table: str) -> bool:
    try:
        db.execute(f"SELECT rowid FROM {_quoted(table)} LIMIT 0")  # noqa: S608 - as above
    except sqlite3.OperationalError:
        return False
    return True


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _why(error: Exception) -> str:
    """SQLite's own words for what it could not do; they name files and tables, no values."""
    if "too big" in str(error):
        return f"a value of more than {MAX_VALUE >> 20} MiB"
    if isinstance(error, UnicodeDecodeError):  # of a column's name, or of SQLite's words, which quote the schema
        return "a name that is not UTF-8"
    return str(error)
