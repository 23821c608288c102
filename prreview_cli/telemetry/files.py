"""The log's file: ours alone, rotated, never followed through a link."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from datetime import datetime
from itertools import pairwise
from pathlib import Path

BYTES_A_FILE = 16 << 20
FILES_KEPT = 5


class PrivateRotatingFile(logging.Handler):
    """A file of mode 0600 in a folder of mode 0700; at `bytes_a_file` it becomes `.1`, and five former ones are kept.

    Each line is one unbuffered append, so a killed process leaves no half of one behind. The standard
    library's handler formats every record twice, once to see whether it still fits. A file that was deleted
    while it was open, as one that was quiet for long is by `remove_old`, is begun anew.
    """

    def __init__(self, path: Path, bytes_a_file: int = BYTES_A_FILE) -> None:
        super().__init__()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path, self._bytes_a_file = path, bytes_a_file
        self._file, self._size = self._open()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
            if (self._size and self._size + len(line) > self._bytes_a_file) or not os.fstat(self._file).st_nlink:
                with contextlib.suppress(OSError):  # where there is no room for another file, this one goes on
                    self._rotate()
            self._size += os.write(self._file, line)
        except OSError as error:
            # Without the record, which `logging` would print here unredacted. Standard error may lie on the same full disk,
            # and nothing may fail because it could not be logged.
            with contextlib.suppress(OSError):
                print(f"A log line could not be written to {self._path}: {error.strerror}.", file=sys.stderr)  # noqa: T201

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        super().close()

    def _open(self) -> tuple[int, int]:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        return file, os.fstat(file).st_size

    def _rotate(self) -> None:
        if self._is_in_place():
            names = [self._path, *(Path(f"{self._path}.{number}") for number in range(1, FILES_KEPT + 1))]
            for newer, older in reversed(list(pairwise(names))):
                if newer.exists():
                    newer.replace(older)
        before = self._file
        self._file, self._size = self._open()
        os.close(before)  # last: had the new one not been opened, this number could be another file's by the next line

    def _is_in_place(self) -> bool:
        """Whether our file has its name yet: after a rotation that got no new file nothing is to be moved on."""
        try:
            return os.path.samestat(self._path.lstat(), os.fstat(self._file))
        except FileNotFoundError:
            return False


def remove_old(folder: Path, before: datetime) -> int:
    """Delete the log files in `folder` that were last written before that time; how many went."""
    removed = 0
    for path in folder.glob("*.jsonl*"):
        with contextlib.suppress(FileNotFoundError):  # another process rotates, or does the same
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime < before.timestamp():
                path.unlink()
                removed += 1
    return removed
