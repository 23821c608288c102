"""The pool as `serve` sees it: a child that dies, that is deaf, that does not come to work."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.cli import pool_process
from prreview_cli.cli.pool_process import RESTART_AFTER_S, PoolProcess
from support.clocks import ImpatientClock, settled
from support.processes import text_of, until, written

READY = 'print(\'{"event": "ready"}\', flush=True)'
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
WAITS = "; import signal; signal.pause()"


def pool(tmp_path: Path, clock: ImpatientClock, code: str, drain_s: float = 60.0) -> PoolProcess:
    # Each start leaves a line, so that a test can count them.
    counted = f"open({str(tmp_path / 'starts')!r}, 'a').write('x'); " + code
    return PoolProcess([sys.executable, "-I", "-c", counted], clock, start_s=20.0, drain_s=drain_s)


def starts(tmp_path: Path) -> int:
    return len((tmp_path / "starts").read_text())


async def test_a_pool_that_is_killed_again_and_again_is_started_quickly_each_time(tmp_path: Path) -> None:
    clock = ImpatientClock()
    process = pool(tmp_path, clock, READY + WAITS)
    await process.start()
    watching = asyncio.create_task(process.watch())
    for count in range(2, 6):
        former = process.pid
        assert former is not None
        os.kill(former, signal.SIGKILL)
        await until(lambda: process.pid != former and starts(tmp_path) == count and process.is_ready)  # noqa: B023
    assert clock.slept == [RESTART_AFTER_S[0]] * 4
    await process.stop()
    watching.cancel()


async def test_a_pool_that_ends_by_itself_is_started_ever_more_slowly(tmp_path: Path) -> None:
    clock = ImpatientClock()
    process = pool(tmp_path, clock, READY + "; raise SystemExit(3)")
    await process.start()
    watching = asyncio.create_task(process.watch())
    await until(lambda: len(clock.slept) >= 5)
    await process.stop()
    watching.cancel()
    assert clock.slept[:5] == [*RESTART_AFTER_S, RESTART_AFTER_S[-1]]


@pytest.mark.parametrize("trouble", [OSError("Resource temporarily unavailable"), RuntimeError("can't start new thread")])
async def test_a_pool_for_which_there_is_no_room_now_is_started_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    clock, full = ImpatientClock(), [trouble] * 2
    spawn = asyncio.create_subprocess_exec

    async def spawned(*words: Any, **options: Any) -> asyncio.subprocess.Process:
        if starts(tmp_path) and full:
            raise full.pop()
        return await spawn(*words, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawned)
    process = pool(tmp_path, clock, READY + WAITS)
    (tmp_path / "starts").touch()
    await process.start()
    watching = asyncio.create_task(process.watch())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    await until(lambda: starts(tmp_path) == 2 and process.is_ready)
    await process.stop()
    watching.cancel()
    assert full == []
    assert clock.slept == list(RESTART_AFTER_S[:3])


async def test_a_pool_whose_standard_output_is_held_by_somebody_else_is_missed_all_the_same(tmp_path: Path) -> None:
    starts, heir = tmp_path / "starts", tmp_path / "heir"
    bears = "heir = subprocess.Popen([sys.executable, '-I', '-c', 'import signal; signal.pause()'], start_new_session=True)"
    once = f"if not os.path.exists({str(heir)!r}): {bears}; open({str(heir)!r}, 'w').write(str(heir.pid))\n"
    process = pool(tmp_path, ImpatientClock(), "import os, subprocess, sys\n" + once + READY + WAITS)
    await process.start()
    heir_pid = int(await written(heir))
    watching = asyncio.create_task(process.watch())
    try:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        await until(lambda: text_of(starts) == "xx" and process.is_ready)
        await asyncio.wait_for(process.stop(), 20)
    finally:
        watching.cancel()
        os.kill(heir_pid, signal.SIGKILL)


async def test_a_pool_that_says_more_than_that_it_is_ready_is_not_held_up(tmp_path: Path) -> None:
    process = pool(
        tmp_path,
        ImpatientClock(),
        READY + f"; print('x' * (1 << 20), flush=True); open({str(tmp_path / 'said')!r}, 'w').write('all')" + WAITS,
    )
    await process.start()
    assert await written(tmp_path / "said") == "all"
    await process.stop()


async def test_a_hurried_pool_that_is_deaf_is_ended_long_before_its_drain_would_be_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_process, "HURRY_S", 0.3)
    process = pool(tmp_path, ImpatientClock(), DEAF + READY + "\nwhile True: signal.pause()")
    await process.start()
    stopping = asyncio.create_task(process.stop())
    await settled(1)
    process.hurry()
    await asyncio.wait_for(stopping, 10)
