"""Several processes on one database: real ones, with real signals."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.job import State
from prreview_cli.core.ports.store import Beat, Capacity
from prreview_cli.store import open_store
from prreview_cli.store.sqlite import SqliteStore
from support import store_child
from support.clocks import FakeClock
from support.processes import gone
from support.stores import NOON, Bench, opened_sqlite, sqlite_url

DEADLINE_S = 30


class Child:
    """A process on the same database."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid

    async def said(self) -> Any:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), DEADLINE_S)
        return json.loads(line)

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


@asynccontextmanager
async def child(path: Path, verb: str) -> AsyncIterator[Child]:
    """Start one; it is gone when the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        store_child.__file__,
        sqlite_url(path),
        verb,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(path.parent)},
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = FakeClock()
    store = await opened_sqlite(tmp_path / "q.db", clock)
    yield Bench(store, clock)
    await store.close()


def locks(folder: Path) -> list[Path]:
    return list((folder / "q.db.workers").glob("*"))


async def test_many_processes_open_a_fresh_database_at_once(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    async with AsyncExitStack() as stack:
        children = [await stack.enter_async_context(child(path, "open")) for _ in range(8)]
        jobs = [[await each.said(), await each.said()][1] for each in children]

    assert sorted(jobs) == [f"j{number:08d}" for number in range(1, 9)]


async def test_the_bound_holds_over_all_processes_and_each_job_is_done_once(at: Bench, tmp_path: Path) -> None:
    jobs = [await at.pushed("a", number=number) for number in range(1, 41)]
    async with AsyncExitStack() as stack:
        children = [await stack.enter_async_context(child(tmp_path / "q.db", "drain")) for _ in range(3)]
        for each in children:
            assert await each.said() == "open"
        for each in children:
            each.go_on()
        reports = [await each.said() for each in children]

    assert sorted(job for report in reports for job in report["done"]) == jobs
    assert max(report["peak"] for report in reports) <= 2
    assert {await at.state(job) for job in jobs} == {State.POSTED}


async def test_another_processs_commit_wakes_whoever_waits(tmp_path: Path) -> None:
    store = await open_store(sqlite_url(tmp_path / "q.db"), clock=store_child.Clock(), **store_child.OWNER)
    async with child(tmp_path / "q.db", "accept") as other:
        assert await other.said() == "open"
        assert await store.jobs.claim("w1", Capacity(1), 30, NOON) is None
        waiting = asyncio.ensure_future(store.changed(3600))
        other.go_on()

        await asyncio.wait_for(waiting, DEADLINE_S)
        await other.said()

    assert await store.jobs.claim("w1", Capacity(1), 30, NOON) is not None
    await store.close()


async def test_a_killed_workers_job_is_taken_back_at_once(at: Bench, tmp_path: Path) -> None:
    job = await at.pushed("a")
    async with child(tmp_path / "q.db", "hold") as worker:
        assert [await worker.said(), await worker.said()] == ["open", job]
        assert await at.jobs.rescue(5, at.now) == [], "it lives"
        assert len(locks(tmp_path)) == 1

        worker.send(signal.SIGKILL)
        assert await gone(worker.pid)
        rescued = await at.jobs.rescue(5, at.now)

    assert [(each.id, each.state, each.attempts) for each in rescued] == [(job, State.QUEUED, 1)]
    assert locks(tmp_path) == []
    assert await at.claim() is not None


async def test_an_idle_worker_that_was_killed_leaves_nothing_behind(at: Bench, tmp_path: Path) -> None:
    async with child(tmp_path / "q.db", "hold") as worker:
        assert [await worker.said(), await worker.said()] == ["open", None]
        worker.send(signal.SIGKILL)
        assert await gone(worker.pid)

    assert len(await at.store.pools.alive(NOON)) == 1
    assert await at.jobs.rescue(5, at.now) == []

    assert locks(tmp_path) == []
    assert await at.store.pools.alive(NOON) == []


async def test_a_worker_that_was_stopped_past_its_lease_settles_nothing(at: Bench, tmp_path: Path) -> None:
    job = await at.pushed("a")
    async with child(tmp_path / "q.db", "hold") as worker:
        assert [await worker.said(), await worker.said()] == ["open", job]
        worker.send(signal.SIGSTOP)
        [rescued] = await at.silence(30)
        assert rescued.state is State.QUEUED

        worker.send(signal.SIGCONT)
        worker.go_on()
        assert await worker.said() is False

    assert await at.state(job) is State.QUEUED


async def test_a_worker_that_ends_in_order_leaves_no_lock(at: Bench, tmp_path: Path) -> None:
    await at.pushed("a")
    async with child(tmp_path / "q.db", "hold") as worker:
        await worker.said()
        await worker.said()
        worker.go_on()
        assert await worker.said() is True
        assert await gone(worker.pid)

    assert locks(tmp_path) == []
    assert await at.store.pools.alive(NOON) == []


async def test_a_store_that_closes_without_leaving_counts_as_dead(at: Bench, tmp_path: Path) -> None:
    job = await at.pushed("a")
    other = await opened_sqlite(tmp_path / "q.db")
    await other.pools.beat(Beat("w9", 1, 1, NOON, 0))
    assert await other.jobs.claim("w9", Capacity(4), 30, NOON) is not None

    await other.close()

    assert [each.id for each in await at.jobs.rescue(5, at.now)] == [job]


async def test_a_worker_without_a_lock_is_judged_by_its_lease_alone(at: Bench) -> None:
    await at.pushed("a")
    await at.claimed("never-beat", lease_s=30)

    assert await at.silence(27) == []
    assert len(await at.silence(3)) == 1


async def test_a_worker_that_finds_no_room_for_its_file_says_so_and_goes_on_once_there_is(
    at: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        with pytest.raises(StoreUnusable, match="No space left on device"):
            await at.store.pools.beat(Beat("w1", 1, 1, NOON, 0))

    await at.store.pools.beat(Beat("w1", 1, 1, NOON, 0))


async def test_two_live_workers_cannot_share_a_name(at: Bench, tmp_path: Path) -> None:
    other: SqliteStore = await opened_sqlite(tmp_path / "q.db")
    await other.pools.beat(Beat("w1", 1, 1, NOON, 0))
    try:
        with pytest.raises(Exception, match="is the worker 'w1' already"):
            await at.store.pools.beat(Beat("w1", 2, 1, NOON, 0))
    finally:
        await other.close()
