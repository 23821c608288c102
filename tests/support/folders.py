"""Folders as a hostile child leaves them."""

from __future__ import annotations

import os
from pathlib import Path


def nested(folder: Path, levels: int, link: Path | None = None) -> None:
    """Folders in each other, deeper than a path can say, with a file and a link at the bottom."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("inner", dir_fd=here)
        inner = os.open("inner", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, 0o400, dir_fd=here))
    if link is not None:
        os.symlink(link, "link", dir_fd=here)
    os.close(here)
