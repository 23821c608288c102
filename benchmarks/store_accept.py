"""How many webhooks a second the store accepts, each one durable: with group commit, and without.

    python benchmarks/store_accept.py [FOLDER]

Both sides run the same statements on the same schema in one run; only the grouping differs, so the ratio
holds on any disk. FOLDER should be on the disk that matters (a tmpfs has no fsync to save).
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from prreview_cli.core.events import Delivery, Review
from prreview_cli.core.job import Target
from prreview_cli.store.sqlite import SqliteStore, open_sqlite
from prreview_cli.store.sqlite.requests import accept
from prreview_cli.store.sqlite.rows import millis
from prreview_cli.wiring import SystemClock

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECONDS = 2.0
PRODUCERS = (1, 16, 64)
BODY = json.dumps([{"id": number, "url": f"https://host/repos/octo/repo/{number * 7919}"} for number in range(400)]).encode()
"""As large as a real one, and compressible like it."""


def webhook(number: int) -> tuple[Delivery, Review]:
    head = f"{number:040x}"
    target = Target(number % 50, f"octo/repo{number % 50}", number, head, "main", NOW, "alice", admitted=True)
    about = target.repository_id, target.repository, number, head
    delivery = Delivery(f"d-{number}", "pull_request", "opened", NOW, *about, body=BODY)
    return delivery, Review(target)


async def grouped(store: SqliteStore, producers: int) -> float:
    """Acceptances a second with that many producers, each waiting for its answer before the next."""
    until, accepted = time.perf_counter() + SECONDS, 0

    async def produce(first: int) -> None:
        nonlocal accepted
        number = first
        while time.perf_counter() < until:
            delivery, decision = webhook(number)
            await store.jobs.accept(delivery, decision, 60, NOW)
            accepted, number = accepted + 1, number + producers

    await asyncio.gather(*(produce(first) for first in range(producers)))
    return accepted / SECONDS


def ungrouped(store: SqliteStore) -> float:
    """The same, one transaction each: producers would only wait for one another."""
    db, until, accepted = store._database._connections.durable, time.perf_counter() + SECONDS, 0  # noqa: SLF001
    while time.perf_counter() < until:
        delivery, decision = webhook(accepted)
        db.execute("BEGIN IMMEDIATE")
        accept(db, delivery, decision, 60_000, millis(NOW))
        db.execute("COMMIT")
        accepted += 1
    return accepted / SECONDS


async def fresh(folder: Path, name: str) -> SqliteStore:
    return await open_sqlite(folder / f"{name}.db", environment="bench", host="none", clock=SystemClock(), busy_timeout_ms=3000)


async def main(folder: str | None) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as made:
        store = await fresh(Path(made), "ungrouped")
        alone = await asyncio.to_thread(ungrouped, store)
        await store.close()
        print(f"one transaction each     {alone:8.0f}/s")
        for producers in PRODUCERS:
            store = await fresh(Path(made), f"grouped-{producers}")
            rate = await grouped(store, producers)
            await store.close()
            print(f"grouped, {producers:3} producers {rate:10.0f}/s  {rate / alone:5.1f}x")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:2] or [None]))
