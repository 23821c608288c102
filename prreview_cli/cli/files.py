"""Files that a command is told to write its outcome to."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from prreview_cli.core.errors import UsageError

_STREAMS = frozenset({"/dev", "/dev/fd", "/proc/self/fd"})
"""Only root can put a link there, so what stands there may be followed."""


def expect_writable(path: Path, what: str) -> None:
    """UsageError before the work is done and paid for, not after it."""
    try:
        there, folder = path.exists(), path.absolute().parent
        writable = not path.is_dir() and folder.is_dir() and os.access(path if there else folder, os.W_OK)
    except OSError as error:  # a name too long, for one
        raise _cannot(path, what, f": {error.strerror}") from None
    if not writable:
        raise _cannot(path, what)


def write(path: Path, text: str, what: str) -> None:
    """Put the text there in one step; a link of that name is replaced and not followed.

    A device, a pipe and what the system calls our streams (`/dev/stdout`, `/dev/null`) are written to as they are: root
    could put a file in their place, and every program on the machine would write into that.
    """
    try:
        if _is_no_file(path):
            with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_CLOEXEC), "w", encoding="utf-8") as stream:  # noqa: PTH123
                stream.write(text)
            return
        descriptor, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            mask = os.umask(0o077)
            os.umask(mask)
            Path(temporary).chmod(0o666 & ~mask)
            Path(temporary).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise _cannot(path, what, f": {error.strerror}") from None


def _is_no_file(path: Path) -> bool:
    if str(path.absolute().parent) in _STREAMS:
        return path.exists()
    return path.exists() and not path.is_symlink() and not path.is_file()


def _cannot(path: Path, what: str, why: str = "") -> UsageError:
    return UsageError(f"{what} {path} cannot be written{why}.", remedy="Name a file in a folder that is there and that you may write.")
