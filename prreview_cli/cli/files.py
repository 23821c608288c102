"""Files that a command is told to write its outcome to."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from prreview_cli.core.errors import UsageError


def expect_writable(path: Path, what: str) -> None:
    """UsageError before the work is done and paid for, not after it."""
    if path.is_dir() or not path.absolute().parent.is_dir() or not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise _cannot(path, what)


def write(path: Path, text: str, what: str) -> None:
    """Put the text there in one step; a link of that name is replaced and not followed."""
    try:
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


def _cannot(path: Path, what: str, why: str = "") -> UsageError:
    return UsageError(f"{what} {path} cannot be written{why}.", remedy="Name a file in a folder that is there and that you may write.")
