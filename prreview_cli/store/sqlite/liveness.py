"""Seeing at once that a worker is dead.

Each live worker holds a lock (`flock`) on a file of its own beside the database. The kernel lets go of it
when the process ends, however it ends; so a lock that can be had belongs to nobody alive. Where no file is
found, only the lease tells.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from prreview_cli.core.errors import StoreUnusable

_TRIES = 50


class Liveness:
    """The lock files of one database, in the folder `<database>.workers`."""

    def __init__(self, database: Path) -> None:
        self._folder = database.with_name(database.name + ".workers")
        self._held: dict[Path, int] = {}

    def hold(self, worker: str) -> None:
        """Show that this worker lives for as long as this process does. Doing so again changes nothing."""
        path = self._path(worker)
        if path in self._held:
            return
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for _ in range(_TRIES):
                if self._take(path, worker):
                    return
                threading.Event().wait(0.01)  # somebody is having a look at it, or has just removed it
        except OSError as error:
            raise StoreUnusable(
                f"The lock file of a worker cannot be made in {self._folder}: {error.strerror or error}.",
                remedy="Make room on its disk, and see that the folder belongs to the user that runs prreview.",
            ) from error
        raise StoreUnusable(f"Another live process is the worker {worker!r} already.", remedy="Give each worker a name of its own.")

    def let_go(self, worker: str) -> None:
        """The worker has ended in order: nothing is left of it."""
        path = self._path(worker)
        descriptor = self._held.pop(path, None)
        if descriptor is not None:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def release(self) -> None:
        """This process ends: its workers are dead from now on, and their files say so to the others."""
        while self._held:
            os.close(self._held.popitem()[1])

    def dead(self) -> frozenset[Path]:
        """The files of the workers that have died without letting go."""
        return frozenset(path for path in self._files() if self._is_dead(path))

    def is_of(self, worker: str, dead: frozenset[Path]) -> bool:
        """Whether this worker is among the dead."""
        return self._path(worker) in dead

    def bury(self, dead: frozenset[Path]) -> None:
        """Remove these files, once nothing depends on them."""
        for path in dead:
            path.unlink(missing_ok=True)

    def _take(self, path: Path, worker: str) -> bool:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:  # else it was buried between the two calls
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, f"{worker}\n".encode(), 0)
                self._held[path] = descriptor
                return True
        except BlockingIOError:
            pass
        finally:
            if path not in self._held:
                os.close(descriptor)
        return False

    def _is_dead(self, path: Path) -> bool:
        if path in self._held:
            return False
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def _files(self) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            yield from sorted(self._folder.glob("*.lock"))

    def _path(self, worker: str) -> Path:
        """A worker's name may hold anything, so the file is named by its digest and holds the name."""
        return self._folder / f"{hashlib.sha256(worker.encode()).hexdigest()[:32]}.lock"
