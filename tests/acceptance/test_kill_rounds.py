"""`load-test` in rounds: SIGKILL at random moments, and every promise is kept. `.ci/run` makes 200 such rounds more, and 12 with the CLI."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.trials.families import can_be_seen

COMMAND = Path(sys.executable).with_name("prreview")
PATIENCE_S = 280

pytestmark = pytest.mark.skipif(not can_be_seen(), reason="there is no /proc")


def rounds(folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """What it says as JSON, and on standard error; it must have kept every promise and left nothing behind."""
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(temporary), "LANG": "C.UTF-8"}
    command = [COMMAND, "load-test", "--json", "--burst", "4", *arguments]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(temporary.iterdir()) == []
    said: dict[str, Any] = json.loads(done.stdout)
    return said, done.stderr


def test_random_kills_of_worker_and_server_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    said, told = rounds(tmp_path, "--agent", "scripted", "--kill-worker", "--kill-server", "--rounds", "4")
    # One burst more comes first and is left in peace.
    assert (said["verdict"], said["burst"], said["posted"], said["lost"], said["duplicates"]) == ("kept", 4, 20, 0, 0)
    assert (said["rounds"], sum(said["kills"].values())) == (4, 4)
    assert f"seed {said['seed']}" in told
    assert 0 < max(look["in_flight"] for look in said["timeline"]) <= said["peak_in_flight"] <= 4
    assert said["timeline"][-1]["queued"] == said["timeline"][-1]["in_flight"] == 0
    assert re.search(r"round 4 of 4: (worker|server|both) killed after \d", told)


def test_a_killed_worker_takes_its_real_cli_along_and_the_review_is_made_once(tmp_path: Path) -> None:
    said, _ = rounds(tmp_path, "--agent", "claude", "--kill-worker", "--rounds", "1", "--seed", "11")
    assert (said["verdict"], said["posted"], said["seed"]) == ("kept", 8, 11)
    assert said["kills"] == {"worker": 1, "server": 0, "both": 0}
