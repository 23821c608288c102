"""Which files a path stands for. Links are not followed out of a folder, and what is no file is named."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prreview_cli.core import globs


@dataclass(frozen=True, slots=True)
class Place:
    """A file to search; or, with a `reason`, something that is not searched. `named` by the user, not found in a folder."""

    path: Path
    reason: str | None = None
    named: bool = False


def is_there(path: Path) -> bool:
    """Whether something has this name; what we may not look at is told when it is read."""
    try:
        return path.exists()
    except OSError:
        return True


def places(path: Path, exclude: Sequence[str]) -> Iterator[Place]:
    """The path itself if it is no folder; else all that is below it, in the order of names."""
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where a folder above may not be looked into
        yield from _below(path, exclude)
    else:
        yield Place(path, named=True)


def _below(root: Path, exclude: Sequence[str]) -> Iterator[Place]:
    """Without recursion: whoever may write below the folder may nest folders deeper than that goes."""
    left: list[os.DirEntry[str]] = []  # what is still to be looked at, the next one last
    folder: Path | None = root
    while folder or left:
        if folder:
            try:
                left += reversed(_entries(folder))
            except OSError as error:
                yield Place(folder, f"the folder cannot be read: {why(error)}")
            folder = None
            continue
        entry = left.pop()
        path = Path(entry.path)
        if globs.first_match(exclude, path.relative_to(root).as_posix()) is not None:
            continue
        if entry.is_symlink():
            if _leads_out(root, path):
                yield Place(path, "a symbolic link that leads out of the folder; name what it leads to, to have it searched")
        elif entry.is_dir(follow_symlinks=False):
            folder = path
        elif entry.is_file(follow_symlinks=False):
            yield Place(path)
        else:
            yield Place(path, f"{_kind(entry)}, not a file")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _leads_out(root: Path, link: Path) -> bool:
    """What a link leads to inside the folder is searched where it is."""
    try:
        return not link.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop
        return True


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
    except OSError:
        return "gone"
    return {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a named pipe"}.get(stat.S_IFMT(mode), "a device")


def why(error: OSError) -> str:
    """The system's words, without the path, which stands beside it."""
    return (error.strerror or type(error).__name__).lower()
