"""`python accepting.py FOLDER`: accept one delivery in a fresh database, killed at its first SQL statement; and again at the second …

Prints a JSON line for each: how many deliveries and jobs were left, and how many there are once the same was delivered again.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path

from prreview_cli.core.events import Review
from prreview_cli.store.sqlite import open_sqlite
from support.clocks import FakeClock
from support.stores import NOON, OWNER, delivery, target

connect = import_module("prreview_cli.store.sqlite.connect")
opened: list[sqlite3.Connection] = []
honest = connect._open


def remembering(path: Path, busy_timeout_ms: int, own: list[sqlite3.Connection]) -> sqlite3.Connection:
    opened.append(honest(path, busy_timeout_ms, own))
    return opened[-1]


async def accept(path: Path, die_at: int) -> None:
    store = await open_sqlite(path, clock=FakeClock(), busy_timeout_ms=10_000, **OWNER)
    seen = 0

    def count(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    for connection in opened:
        connection.set_trace_callback(count)
    decision = Review(target())
    await store.jobs.accept(delivery(decision, NOON), decision, 0.0, NOON)


def died(path: Path, die_at: int) -> bool:
    """Accept in a child; whether it was killed."""
    child = os.fork()
    if not child:
        asyncio.run(accept(path, die_at))
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def kept(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("delivery", "job")]


def main() -> None:
    connect._open = remembering
    for die_at in range(1, 100):
        path = Path(sys.argv[1]) / f"{die_at}.db"
        if not died(path, die_at):
            return
        left = kept(path)
        died(path, 0)
        os.write(1, json.dumps({"left": left, "again": kept(path)}).encode() + b"\n")


main()
