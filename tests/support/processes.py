"""Waiting for processes and files, with deadlines and without sleeping."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path


async def gone(pid: int, within_s: float = 5.0) -> bool:
    """Whether the process ends in that time."""
    loop = asyncio.get_running_loop()
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    ended = asyncio.Event()
    loop.add_reader(fd, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), within_s)
    except TimeoutError:
        return False
    else:
        return True
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    """Return once the condition holds; TimeoutError if it does not in that time."""
    async with asyncio.timeout(within_s):
        while not condition():
            turn = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, turn.set)
            await turn.wait()


def text_of(path: Path) -> str:
    """A file's text, "" while it is not there."""
    return path.read_text() if path.exists() else ""


async def written(path: Path, within_s: float = 20.0) -> str:
    """The text of a file that another process writes."""
    await until(lambda: bool(text_of(path)), within_s)
    return text_of(path)


def alive() -> set[int]:
    """The ids of all processes that have not ended (a zombie has)."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except (OSError, IndexError):
                continue
            if state != "Z":
                found.add(int(entry.name))
    return found
