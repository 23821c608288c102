"""Real processes: which belong to whom, and what a kill leaves of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from prreview_cli.trials import families
from support.processes import until, written

pytestmark = pytest.mark.skipif(not families.can_be_seen(), reason="there is no /proc")


@pytest.fixture
async def parent(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with a child, which does not end with it."""
    script = f"sleep 600 & echo $! > {tmp_path / 'new'}; mv {tmp_path / 'new'} {tmp_path / 'child'}; wait"
    process = await asyncio.create_subprocess_exec("/bin/sh", "-c", script)
    await written(tmp_path / "child")
    yield process
    with suppress(ProcessLookupError):
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def test_what_outlives_a_killed_process_is_known_until_it_ends(parent: asyncio.subprocess.Process) -> None:
    child = families.child_of(parent.pid)
    assert child is not None
    assert {process.pid for process in families.descendants(os.getpid())} >= {parent.pid, child}
    family = families.kill([parent.pid], of=parent.pid)
    assert [(process.pid, process.name) for process in family] == [(child, "sleep")]
    assert await parent.wait() == -signal.SIGKILL
    assert families.alive(family) == list(family)
    os.kill(child, signal.SIGKILL)
    await until(lambda: families.alive(family) == [])


async def test_several_are_killed_at_the_same_moment_and_are_not_left_over_themselves(parent: asyncio.subprocess.Process) -> None:
    child = families.child_of(parent.pid)
    assert child is not None
    assert families.kill([parent.pid, child], of=parent.pid) == frozenset()
    await parent.wait()
    assert families.child_of(parent.pid) is None


def test_a_process_is_not_taken_for_a_later_one_of_its_number() -> None:
    myself = next(process for process in families.descendants(os.getppid()) if process.pid == os.getpid())
    assert families.alive([myself]) == [myself]
    assert families.alive([families.Process(myself.pid, myself.started - 1, myself.name)]) == []
