"""What an operator is told of SQLite's errors."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from prreview_cli.store.sqlite import failures


@pytest.mark.parametrize(("blocks", "told"), [(0, "There is no room left"), (1_000, "The disk failed")])
def test_an_input_output_error_on_a_full_disk_is_a_full_disk(monkeypatch: pytest.MonkeyPatch, blocks: int, told: str) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_SHMSIZE"
    monkeypatch.setattr(os, "statvfs", lambda folder: SimpleNamespace(f_bavail=blocks, f_frsize=4096))

    assert str(failures.unusable(Path("/var/lib/prreview/queue.db"), error)).startswith(told)
