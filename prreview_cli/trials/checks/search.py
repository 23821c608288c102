"""Searching all that a trial left behind for its secrets, over the raw bytes of every file."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from prreview_cli.secrecy import Matcher


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A secret's name, and where it stands: a file below the folder, or what else was given. Never the value."""

    place: str
    name: str


@dataclass(frozen=True, slots=True)
class Search:
    """What was searched, and what was found there. `unread` could not be searched."""

    found: frozenset[Found]
    places: int
    size: int
    unread: tuple[str, ...]

    def of(self, name: str) -> list[str]:
        """Where the secret of this name stands."""
        return sorted(found.place for found in self.found if found.name == name)

    def others(self, name: str) -> list[Found]:
        """The findings of all other secrets."""
        return sorted(found for found in self.found if found.name != name)


def search(folder: Path, left_out: Collection[str], besides: Mapping[str, bytes], matcher: Matcher) -> Search:
    """Search every file below `folder` but for these of its own folders, their names, and the bytes given besides."""
    found, places, size, unread = set[Found](), 0, 0, list[str]()
    for path in _files(folder, left_out):
        place = str(path.relative_to(folder))
        try:
            data = path.read_bytes()
        except OSError:
            unread.append(place)
            continue
        places, size = places + 1, size + len(data)
        found |= {Found(place, hit.name) for hit in matcher.find(os.fsencode(place) + b"\0" + data)}
    for place, data in besides.items():
        places, size = places + 1, size + len(data)
        found |= {Found(place, hit.name) for hit in matcher.find(data)}
    return Search(frozenset(found), places, size, tuple(unread))


def _files(folder: Path, left_out: Collection[str]) -> Iterator[Path]:
    """Every regular file; no link is followed."""
    for root, folders, names in os.walk(folder):
        if Path(root) == folder:
            folders[:] = [name for name in folders if name not in left_out]
        yield from (path for name in names if stat.S_ISREG((path := Path(root, name)).lstat().st_mode))
