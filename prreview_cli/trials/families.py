"""Processes and what they started, as Linux tells it in /proc; a process id is told from its later namesakes by its start."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process. `started` is in clock ticks since the machine's start; `name` says what it runs."""

    pid: int
    started: int
    name: str


def can_be_seen() -> bool:
    """Whether this machine tells of its processes."""
    return (PROC / "self" / "stat").exists()


def descendants(root: int) -> frozenset[Process]:
    """All that a process started, and what these started, that has not ended."""
    children = _children()
    found, new = set[Process](), children.get(root, [])
    while new:
        found.update(new)
        new = [child for process in new for child in children.get(process.pid, ())]
    return frozenset(found)


def child_of(parent: int) -> int | None:
    """The process id of its child that lives; None while there is none."""
    return next((child.pid for child in _children().get(parent, ())), None)


def alive(processes: Iterable[Process]) -> list[Process]:
    """Those that have not ended."""
    return [process for process in processes if (seen := _look(process.pid)) is not None and seen[0].started == process.started]


def kill(victims: Sequence[int], of: int) -> frozenset[Process]:
    """SIGKILL to these at the same moment; what `of` had started by then, themselves left out.

    They are stopped first, for the milliseconds that listing takes: a family that goes on growing cannot be listed.
    """
    _signal(victims, signal.SIGSTOP)
    family = descendants(of)
    _signal(victims, signal.SIGKILL)
    return frozenset(process for process in family if process.pid not in victims)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children() -> dict[int, list[Process]]:
    """Every living process, by its parent."""
    children: dict[int, list[Process]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (seen := _look(int(entry.name))) is not None:
            process, parent = seen
            children.setdefault(parent, []).append(process)
    return children


def _look(pid: int) -> tuple[Process, int] | None:
    """The process and its parent; None if it has ended (a zombie has)."""
    try:
        head, _, tail = (PROC / str(pid) / "stat").read_text().rpartition(")")
    except OSError:
        return None
    fields = tail.split()
    return None if fields[0] in "ZX" else (Process(pid, int(fields[19]), head.partition("(")[2]), int(fields[1]))
