"""A folder for one process's temporary files, and the removal of what killed ones left behind."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
        shutil.rmtree(folder, ignore_errors=True)
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
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


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
