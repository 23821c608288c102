"""SQLite's errors as sentences with a remedy."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from prreview_cli.core.errors import StoreUnusable

_SENTENCES: dict[str, tuple[str, str]] = {
    "SQLITE_BUSY": (
        "The database {path} is locked by another process.",
        "Find it with `fuser {path}` and end it, or wait until it is done.",
    ),
    "SQLITE_FULL": (
        "There is no room left for the database {path}; nothing was accepted.",
        "Make room on its disk. Nothing needs to be restarted.",
    ),
    "SQLITE_READONLY": (
        "The database {path} cannot be written: it or its folder is read-only for this user, or it was moved away.",
        "Run prreview as the user that owns the database, on a disk that is mounted for writing.",
    ),
    "SQLITE_NOTADB": (
        "The file {path} is not a database.",
        "Let queue.url name another file, or move this one away.",
    ),
    "SQLITE_CORRUPT": (
        "The database {path} is damaged.",
        "Restore it from a backup, or move it away to begin anew: what the code host already shows is not reviewed again.",
    ),
    "SQLITE_CANTOPEN": (
        "The database {path} cannot be opened.",
        "See that its folder exists and belongs to this user, and that queue.url names a file.",
    ),
    "SQLITE_IOERR": (
        "The disk failed while the database {path} was read or written.",
        "Look at the system's log for disk errors before you start prreview again.",
    ),
}
_ALIKE = {"SQLITE_LOCKED": "SQLITE_BUSY", "SQLITE_PERM": "SQLITE_READONLY"}


def is_damage(error: BaseException) -> bool:
    """Whether this error means that the file itself is broken, which does not go by."""
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def _is_full(folder: Path) -> bool:
    """Whether there is less room than the log's index grows by at a time (32 KiB: sqlite.org/walformat.html)."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < 32 << 10


def unusable(path: Path, error: sqlite3.Error) -> StoreUnusable:
    """What an operator is told."""
    name = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    if name == "SQLITE_CANTOPEN" and path.exists() and not os.access(path.parent, os.W_OK):
        name = "SQLITE_READONLY"  # the log beside it could not be made
    if name == "SQLITE_IOERR" and _is_full(path.parent):
        name = "SQLITE_FULL"  # the log's index beside it could not grow: that is an I/O error to SQLite
    sentence = _SENTENCES.get(_ALIKE.get(name, name))
    if sentence is None:
        return StoreUnusable(f"The database {path} failed: {error}.")
    message, remedy = sentence
    return StoreUnusable(message.format(path=path), remedy=remedy.format(path=path))
