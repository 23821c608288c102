"""prreview as it would be with `synchronous = NORMAL`, for the test that must see the power cut lose something."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any
from unittest.mock import patch

from prreview_cli.__main__ import main


class Weakened(sqlite3.Connection):
    """Whoever asks for FULL gets NORMAL."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return super().execute(sql.replace("synchronous = FULL", "synchronous = NORMAL"), *values)


if __name__ == "__main__":
    with patch("sqlite3.connect", partial(sqlite3.connect, factory=Weakened)):
        main()
