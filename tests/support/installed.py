"""The installed `prreview` in processes of its own, with nothing of this process's environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("prreview")


def prreview(
    home: Path, *words: str, environ: Mapping[str, str] | None = None, stdin: str = "", command: Sequence[str] = (str(PROGRAM),)
) -> subprocess.CompletedProcess[str]:
    """Run `prreview WORDS` with HOME at `home` and PATH, COLUMNS and `environ` alone; ends within a minute."""
    return subprocess.run(
        [*command, *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "COLUMNS": "100", **(environ or {})},
        check=False,
    )
