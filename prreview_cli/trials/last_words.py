"""What a server said before things went wrong: read before the trial's folder is removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

_MOST, _LONGEST = 12, 400
_GRAVE = frozenset({"warning", "error", "critical"})


def last_words(folder: Path) -> tuple[str, ...]:
    """The last lines of its standard error, and the last warnings and errors in its logs (JSON lines, with `level` and
    `ts`), of all its processes in the order of time."""
    spoken = [line for path in folder.glob("*.log") for line in path.read_text("utf-8", "replace").splitlines()]
    logged = sorted(line for path in folder.rglob("*.jsonl") for line in _grave(path))
    return tuple(line[:_LONGEST] for line in [*spoken[-_MOST:], *(line for _, line in logged[-_MOST:])])


def _grave(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("level") in _GRAVE:
            yield str(record.get("ts")), line
