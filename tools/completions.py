"""Writes the shells' completion scripts, or with --check says whether they are current."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = {"bash": "prreview.bash", "zsh": "_prreview", "fish": "prreview.fish"}


def script(shell: str) -> str:
    """The script, as the installed program gives it."""
    environ = {"_PRREVIEW_COMPLETE": f"source_{shell}", "PATH": os.environ["PATH"]}
    program = Path(sys.executable).with_name("prreview")
    return subprocess.run([program], env=environ, capture_output=True, text=True, check=True).stdout


def main() -> int:
    """Exit 1 if a script is not current."""
    stale = []
    for shell, name in FILES.items():
        path, wanted = ROOT / "completions" / name, script(shell)
        if "--check" not in sys.argv:
            path.write_text(wanted)
        elif not path.exists() or path.read_text() != wanted:
            stale.append(name)
    print(f"Not current: {', '.join(stale)}; run `just completions`." if stale else "The completions are current.")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
