"""What a claim costs behind a thousand, a hundred thousand and a million jobs.

    python benchmarks/store_claim.py [FOLDER]

Each database holds so many jobs at rest and so many queued ones, these from a hundred repositories or all from one.
A round claims a job and hands it back, so that every round meets the same queue. The last columns are a claim where
`max_in_flight_per_repository` is 1 and the flooding repository is full: nothing can be taken, and it has to be found out.
The sizes are measured in one run, one after the other; what counts is their ratio.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from prreview_cli.core.job import AttemptCost, HandBack
from prreview_cli.core.ports.store import Capacity
from prreview_cli.store.sqlite import SqliteStore, open_sqlite
from prreview_cli.wiring import SystemClock

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AT = 1_795_521_600_000
SIZES = (1_000, 100_000, 1_000_000)
ROUNDS = 200


def fill(path: Path, jobs: int, repositories: int) -> None:
    """As many at rest as are queued, written past the store: a million acceptances would take minutes."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")  # 400 MB: the indexes of a million rows do not fit into the default
    columns = "repository_id, repository, number, head_sha, base_ref, run, state, generation, priority, tag, author, admitted"
    job = f"INSERT INTO job ({columns}, created, updated, due) VALUES (?, ?, ?, ?, 'main', 0, ?, 1, 0, ?, 'alice', 1, ?, ?, ?)"
    pull = "INSERT INTO pull_request (repository_id, number, head_sha, updated_at, generation, min_interval) VALUES (?, ?, ?, ?, 1, 0)"
    for state, first in (("posted", 0), ("queued", jobs)):
        numbers = range(first, first + jobs)
        rows = ((n % repositories, f"octo/r{n % repositories}", n, f"{n:040x}", state, n // repositories, AT, AT, AT) for n in numbers)
        db.executemany(job, rows)
        db.executemany(pull, ((n % repositories, n, f"{n:040x}", AT) for n in numbers))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


async def claims(store: SqliteStore) -> float:
    """The median of a claim, in milliseconds."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        lease = await store.jobs.claim("w1", Capacity(4, 4), 30, NOW)
        took.append(time.perf_counter() - began)
        assert lease is not None
        await store.jobs.settle(lease, HandBack("Again."), AttemptCost(), NOW)
    return statistics.median(took) * 1000


async def refusals(store: SqliteStore) -> float:
    """The median of a claim that finds its only repository full, in milliseconds."""
    held = await store.jobs.claim("w1", Capacity(4, 1), 30, NOW)
    assert held is not None
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        assert await store.jobs.claim("w1", Capacity(4, 1), 30, NOW) is None
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


async def measured(folder: Path, jobs: int) -> tuple[float, float, float]:
    """Claims from a hundred repositories, from one, and refusals of a full one."""
    many, one = folder / f"many-{jobs}.db", folder / f"one-{jobs}.db"
    results = []
    for path, repositories in ((many, 100), (one, 1)):
        settings = {"environment": "bench", "host": "none", "clock": SystemClock(), "busy_timeout_ms": 3000}
        await (await open_sqlite(path, **settings)).close()  # type: ignore[arg-type]
        await asyncio.to_thread(fill, path, jobs, repositories)
        store = await open_sqlite(path, **settings)  # type: ignore[arg-type]
        results.append(await claims(store))
        if repositories == 1:
            results.append(await refusals(store))
        await store.close()
        path.unlink()
    return results[0], results[1], results[2]


async def main(folder: str | None) -> None:
    print(f"{'jobs':>10} {'100 repositories':>24} {'one repository':>24} {'one, full':>24}")
    with tempfile.TemporaryDirectory(dir=folder) as made:
        base: tuple[float, ...] = ()
        for jobs in SIZES:
            row = await measured(Path(made), jobs)
            base = base or row
            cells = (f"{ms:10.3f} ms  {ms / first:6.2f}x" for ms, first in zip(row, base, strict=True))
            print(f"{jobs:>10} " + " ".join(f"{cell:>24}" for cell in cells), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2] or [None]))
