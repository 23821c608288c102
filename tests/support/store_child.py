"""A process of its own on a store, for tests that need one: `python store_child.py URL VERB`.

It imports nothing of the tests, prints one JSON value a line, and takes a line on stdin as "go on".
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime

from prreview_cli.core.events import Delivery, Review
from prreview_cli.core.job import AttemptCost, Posted, State, Target
from prreview_cli.core.ports.store import Beat, Capacity, Store
from prreview_cli.store import open_store

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OWNER = {"environment": "test", "host": "github https://api.github.com"}


class Clock:
    """The machine's."""

    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.wait([asyncio.get_running_loop().create_future()], timeout=seconds)


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


async def told_to_go_on() -> None:
    await asyncio.to_thread(sys.stdin.readline)


async def accept(store: Store, number: int) -> str:
    head = "a" * 40
    target = Target(7, "octo/demo", number, head, "main", NOON, "alice", admitted=True)
    delivery = Delivery(f"d-{number}", "pull_request", "opened", NOON, 7, "octo/demo", number, head)
    return str((await store.jobs.accept(delivery, Review(target), 0, NOON)).job)


async def hold(store: Store) -> None:
    """Beat, take a job, hold it until told to go on, then try to settle it."""
    worker = f"worker-{os.getpid()}"
    await store.pools.beat(Beat(worker, os.getpid(), 1, NOON, 0))
    lease = await store.jobs.claim(worker, Capacity(4), 30, NOON)
    say(None if lease is None else lease.job.id)
    await told_to_go_on()
    if lease is not None:
        say(await store.jobs.settle(lease, Posted("r-1"), AttemptCost(), NOON))
    await store.pools.leave(worker)


async def drain(store: Store) -> None:
    """Take and post everything, two at most in flight over all processes; say what was done and the peak seen."""
    done, peak, worker = [], 0, f"worker-{os.getpid()}"
    await told_to_go_on()
    while True:
        lease = await store.jobs.claim(worker, Capacity(2), 30, NOON)
        depth = (await store.jobs.depth(NOON)).by_state
        peak = max(peak, depth[State.RUNNING])
        if lease is not None:
            await store.jobs.settle(lease, Posted("r-1"), AttemptCost(), NOON)
            done.append(lease.job.id)
        elif not depth[State.QUEUED] and not depth[State.RUNNING]:
            break
        else:
            await store.changed(0.5)
    say({"done": done, "peak": peak})


async def main(url: str, verb: str) -> None:
    store = await open_store(url, clock=Clock(), **OWNER)
    try:
        say("open")
        match verb:
            case "open":
                say(await accept(store, os.getpid()))
            case "accept":
                await told_to_go_on()
                say(await accept(store, 1))
            case "hold":
                await hold(store)
            case "drain":
                await drain(store)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
