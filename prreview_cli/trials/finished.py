"""Which reviews a server has stored: read from its database from outside, as an operator would after a crash."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing
from pathlib import Path

_STORED = "SELECT job.number FROM job JOIN review ON review.job = job.id WHERE job.id > (SELECT max(id) FROM job) - :latest"
_MARGIN = 1000


def finished(database: Path, numbers: Collection[int]) -> list[int]:
    """Those of these pull requests whose review is stored; they must be among the latest that were asked for.

    Empty if the database is not there or is just being made.
    """
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reading:
            rows = reading.execute(_STORED, {"latest": len(numbers) + _MARGIN}).fetchall()
    except sqlite3.OperationalError:
        return []
    return [number for (number,) in rows if number in numbers]
