"""What a claim costs behind a thousand, a hundred thousand and a million jobs.

    python benchmarks/store_claim.py [FOLDER]

Each database holds so many jobs at rest and so many queued ones, these from a hundred repositories or all from one.
A round claims a job and hands it back, so that every round meets the same queue. In the second column
`max_in_flight_per_repository` is set; in the last one it is 1 and the flooding repository is full: nothing can be taken, and
it has to be found out.
All sizes are measured in one run, in turns, so that whatever else the machine does meets all of them; what counts is their
ratio. It takes two minutes and 3 GB in FOLDER.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from prreview_cli.core.job import AttemptCost, HandBack
from prreview_cli.core.ports.store import Capacity
from prreview_cli.store.sqlite import SqliteStore, open_sqlite
from prreview_cli.wiring import SystemClock

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AT = 1_795_521_600_000
SIZES = (1_000, 100_000, 1_000_000)
ROUNDS = 300


NUMBERS = "WITH RECURSIVE n (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :first + :jobs)"
JOBS = f"""{NUMBERS}
INSERT INTO job (repository_id, repository, number, head_sha, base_ref, run, state, generation, priority, tag, author, admitted,
                 created, updated, due)
SELECT i % :repositories, 'octo/r' || (i % :repositories), i, printf('%040x', i), 'main', 0, :state, 1, 0, i / :repositories, 'alice', 1,
       :at, :at, :at FROM n"""
PULL_REQUESTS = f"""{NUMBERS}
INSERT INTO pull_request (repository_id, number, head_sha, updated_at, generation, min_interval)
SELECT i % :repositories, i, printf('%040x', i), :at, 1, 0 FROM n"""


def fill(path: Path, jobs: int, repositories: int) -> None:
    """As many at rest as are queued, in one transaction past the store: a million acceptances would take minutes."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")  # 400 MB: the indexes of a million rows do not fit into the default
    for state, first in (("posted", 0), ("queued", jobs)):
        values = {"first": first, "jobs": jobs, "repositories": repositories, "state": state, "at": AT}
        db.execute(JOBS, values)
        db.execute(PULL_REQUESTS, values)
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


async def opened(folder: Path, jobs: int, repositories: int) -> SqliteStore:
    """A filled database."""
    path = folder / f"{jobs}-of-{repositories}.db"
    settings = {"environment": "bench", "host": "none", "clock": SystemClock(), "busy_timeout_ms": 3000}
    await (await open_sqlite(path, **settings)).close()  # type: ignore[arg-type]
    await asyncio.to_thread(fill, path, jobs, repositories)
    return await open_sqlite(path, **settings)  # type: ignore[arg-type]


async def claim(store: SqliteStore, per_repository: int = 0) -> float:
    """Seconds of a claim; its job is handed back."""
    began = time.perf_counter()
    lease = await store.jobs.claim("w1", Capacity(4, per_repository), 30, NOW)
    took = time.perf_counter() - began
    assert lease is not None
    await store.jobs.settle(lease, HandBack("Again."), AttemptCost(), NOW)
    return took


async def refusal(store: SqliteStore) -> float:
    """Seconds of a claim that finds its only repository full."""
    began = time.perf_counter()
    assert await store.jobs.claim("w1", Capacity(4, 1), 30, NOW) is None
    return time.perf_counter() - began


async def medians(stores: list[SqliteStore], measure: Callable[[SqliteStore], Awaitable[float]]) -> list[float]:
    """Milliseconds for each store, in turns."""
    took = [[await measure(store) for store in stores] for _ in range(ROUNDS)]
    return [statistics.median(column) * 1000 for column in zip(*took, strict=True)]


async def main(folder: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as made:
        many = [await opened(Path(made), jobs, 100) for jobs in SIZES]
        one = [await opened(Path(made), jobs, 1) for jobs in SIZES]
        columns = [await medians(many, claim), await medians(many, partial(claim, per_repository=4)), await medians(one, claim)]
        for store in one:
            assert await store.jobs.claim("w1", Capacity(4, 1), 30, NOW) is not None
        columns.append(await medians(one, refusal))
        for store in (*many, *one):
            await store.close()
    print(f"{'jobs':>10} {'100 repositories':>24} {'100, each bounded':>24} {'one repository':>24} {'one, full':>24}")
    for row, jobs in enumerate(SIZES):
        cells = (f"{column[row]:10.3f} ms  {column[row] / column[0]:6.2f}x" for column in columns)
        print(f"{jobs:>10} " + " ".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2] or [None]))
