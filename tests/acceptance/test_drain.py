"""SIGTERM, as systemd and a container send it: what ends in order, what is handed back, and that nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from prreview_cli.trials import families
from prreview_cli.trials.simulators.behaviours import held, reviewer
from prreview_cli.trials.simulators.loopback import Gate
from support.processes import alive, until
from support.stage import Served, Stage, descendants, logged

SLOW = 40.0
"""How long the model takes, in seconds: longer than anyone here waits."""


def slow(stage: Stage) -> Stage:
    stage.model.script = reviewer(turns=2, first_wait_s=SLOW)
    return stage


async def under_review(stage: Stage, served: Served) -> None:
    await stage.send(served, [stage.delivery()])
    await stage.model.watch.until(lambda: bool(stage.model.requests), 60)


def database(stage: Stage) -> Path:
    return stage.folder / "state" / "queue.db"


def jobs(stage: Stage) -> list[tuple[int, str, int]]:
    """(pull request, state, attempts), from the file alone: all of it must be in there after the checkpoint."""
    assert not database(stage).with_name("queue.db-wal").exists()
    with closing(sqlite3.connect(database(stage))) as reading:
        assert reading.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return reading.execute("SELECT number, state, attempts FROM job ORDER BY number").fetchall()


async def test_a_drain_acknowledges_to_its_end_hands_back_uncharged_and_leaves_nothing(tmp_path: Path) -> None:
    changes = {"workers": {"drain_s": 2.0}}
    with slow(Stage(tmp_path, pulls=2, agent="claude", changes=changes)) as stage:
        async with stage.serving() as served:
            await under_review(stage, served)
            family = set(served.family())
            assert len(family) >= 3, "the server, its pool and the CLI"
            asked = len(stage.model.requests)
            served.process.terminate()
            [late] = await stage.send(served, [stage.delivery(2)])
            assert late["status"] == "queued"
            assert await asyncio.wait_for(served.process.wait(), 20) == 0  # 2 s, the 10 s that are promised, and room
            assert not alive() & family
        assert stage.model.in_flight == 0
        assert len(stage.model.requests) == asked
        assert list((tmp_path / "state" / "scratch").iterdir()) == []
        assert list((tmp_path / "state" / "queue.db.workers").iterdir()) == []
        assert jobs(stage) == [(1, "queued", 0), (2, "queued", 0)]
        assert stage.reviews() == []


async def test_a_second_sigterm_hurries_and_harms_nothing(tmp_path: Path) -> None:
    with slow(Stage(tmp_path, changes={"workers": {"drain_s": 60.0}})) as stage:
        async with stage.serving() as served:
            await under_review(stage, served)
            served.process.terminate()
            [late] = await stage.send(served, [stage.delivery()])
            assert late["status"] == "duplicate", "it drains, and still answers"
            assert await served.terminate(10) == 0
        assert jobs(stage) == [(1, "queued", 0)]
        stage.model.script = reviewer(turns=2)
        async with stage.serving() as served:
            await stage.posted(1)
            assert await served.terminate() == 0
        assert jobs(stage) == [(1, "posted", 0)]


async def test_a_killed_servers_pool_finishes_what_it_holds_and_is_not_hurried_by_hearing_of_it_once_for_each_thread(
    tmp_path: Path,
) -> None:
    gate = Gate()
    with Stage(tmp_path, changes={"workers": {"drain_s": 60.0}}) as stage:
        stage.model.script = held(gate, reviewer(turns=2))
        async with stage.serving() as served:
            await under_review(stage, served)
            pool = families.child_of(served.process.pid)
            assert pool is not None
            served.process.kill()
            await until(lambda: bool(logged(stage, "draining")))
            os.kill(pool, signal.SIGUSR1)  # as the kernel does at the end of each further thread of the server
            gate.open()
            await until(lambda: pool not in alive())
        assert stage.reviewed() == [1]
        assert len(stage.model.requests) == 2, "nothing was handed back and paid for again"
        with closing(sqlite3.connect(database(stage))) as reading:
            assert reading.execute("SELECT state, attempts FROM job").fetchall() == [("posted", 0)]


async def test_systemd_is_told_that_it_is_ready_lives_and_stops(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, Stage(tmp_path) as stage:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        stage.variables = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}

        async def said() -> str:
            return (await asyncio.wait_for(asyncio.get_running_loop().sock_recv(manager, 100), 20)).decode()

        async with stage.serving() as served:
            assert await said() == "READY=1"
            assert [await said() for _ in range(3)] == ["WATCHDOG=1"] * 3
            served.process.terminate()
            heard = [await said()]
            while heard[-1] == "WATCHDOG=1":
                heard.append(await said())
            assert heard[-1] == "STOPPING=1"
            assert await asyncio.wait_for(served.process.wait(), 20) == 0


def may_make_a_namespace() -> bool:
    try:
        return subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, timeout=10, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not may_make_a_namespace(), reason="no process namespace can be made here")
async def test_the_first_process_of_a_container_buries_orphans_and_drains_as_any_other(tmp_path: Path) -> None:
    # The inner shell ends at once: its `sleep` loses its parent, and belongs to the first process from then on.
    orphaned = ("sh", "-c", '(sleep 0.5 & ); exec "$@"', "sh")
    with Stage(tmp_path, wrapper=("unshare", "--pid", "--fork", "--kill-child", *orphaned)) as stage:
        async with stage.serving() as served:
            first = families.child_of(served.process.pid)
            assert first is not None
            await until(lambda: len(descendants(first)) == 2)  # the program and its pool: no sleeper, and no dead one
            await stage.send(served, [stage.delivery()])
            await stage.posted(1)
            os.kill(first, signal.SIGTERM)
            assert await asyncio.wait_for(served.process.wait(), 20) == 0
        assert jobs(stage) == [(1, "posted", 0)]
