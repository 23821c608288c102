"""A folder for one process's temporary files, and the removal of what killed ones left behind."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = "owner"


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """A new folder under `root`, 0700, removed at the end.

    Its owner holds a lock on it for as long as it lives, so that the folder of a killed process is known
    for what it is: it is removed first and last, and with it whatever of commits and conversations it held.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(root):
        _remove_abandoned(root)
        folder = Path(tempfile.mkdtemp(dir=root))
        lock = _locked(folder)
    try:
        yield folder
    finally:
        remove(folder)
        if lock is not None:
            os.close(lock)
        remove_abandoned(root)


def remove_abandoned(root: Path) -> None:
    """Remove the folders under `root` whose owner was killed; none is no error. May block for as long as that takes."""
    if root.is_dir():
        with _alone(root):
            _remove_abandoned(root)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One process at a time: a new folder is not yet locked, and would look abandoned to another."""
    guard = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
    finally:
        os.close(guard)


def _remove_abandoned(root: Path) -> None:
    for folder in root.iterdir():
        if folder.is_symlink() or not folder.is_dir() or (lock := _locked(folder)) is None:
            continue
        remove(folder)
        os.close(lock)


def remove(folder: Path) -> None:
    """Remove a folder and all beneath it, following no link, whatever a child made of it. What cannot go stays, without an error.

    `rmtree` stops at a folder that its owner may not enter, and at some 1,000 folders in each other it raises.
    """
    with suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)
    if sys.platform == "linux" and folder.exists():
        with suppress(OSError):
            _take_apart(folder)


def _take_apart(folder: Path) -> None:
    """Empty each folder beneath at the top, where it is moved: so it may lie as deep as it likes."""
    with _opened(str(folder)) as top:
        waiting = _emptied(top, top)
        while waiting:
            name = waiting.pop()
            with _opened(name, top) as here:
                waiting += _emptied(here, top)
            os.rmdir(name, dir_fd=top)
    folder.rmdir()


def _emptied(here: int, top: int) -> list[str]:
    """Remove the files of a folder, and move its folders to the top, under the new names that are returned."""
    moved = []
    for entry in list(os.scandir(here)):
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=here)
            continue
        with _opened(entry.name, here):  # for the right to write in it, without which it cannot be moved
            moved.append(secrets.token_hex(16))
        os.rename(entry.name, moved[-1], src_dir_fd=here, dst_dir_fd=top)
    return moved


@contextmanager
def _opened(name: str, within: int | None = None) -> Iterator[int]:
    """A folder and no link, opened with all rights of its owner: by its descriptor, so that nothing takes its place meanwhile."""
    place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=within)
    try:
        os.chmod(f"/proc/self/fd/{place}", 0o700)  # noqa: PTH101 - a descriptor's place
        opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)
    try:
        yield opened
    finally:
        os.close(opened)


def _locked(folder: Path) -> int | None:
    """The open lock of a folder, or None if a living process holds it."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
