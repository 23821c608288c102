"""Which alerts could not be told: a file for each channel in the state folder, there until an alert gets through again."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

_NAMES = "untold-{}.json"


@dataclass(frozen=True, slots=True)
class Untold:
    """The last alert that a channel ("command" or "url") did not take. `whom` is the program, or the host of the URL:
    its path may be a secret. `at` is when it happened, in RFC 3339."""

    channel: str
    whom: str
    event: str
    at: str
    reason: str


def note(folder: Path, untold: Untold) -> None:
    """Remember it in place of the channel's former one. OSError if that cannot be written."""
    path = folder / _NAMES.format(untold.channel)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(untold)), encoding="utf-8")
    draft.replace(path)


def forget(folder: Path, channel: str) -> None:
    """The channel takes alerts."""
    (folder / _NAMES.format(channel)).unlink(missing_ok=True)


def read(folder: Path) -> list[Untold]:
    """Of all channels; none where there is no folder. What cannot be understood is left out."""
    return [untold for path in sorted(folder.glob(_NAMES.format("*"))) if (untold := _read(path)) is not None]


def _read(path: Path) -> Untold | None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Untold(**{field.name: str(said[field.name]) for field in fields(Untold)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
