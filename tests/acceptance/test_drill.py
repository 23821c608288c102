"""`prreview drill` as its user starts it: the installed command, the real CLI, nothing left behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.processes import gone
from support.stage import descendants

COMMAND = Path(sys.executable).with_name("prreview")
PATIENCE_S = 240


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the command may write; it must have cleaned up."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    yield temporary
    assert [path.name for path in temporary.iterdir()] == []


def environment(folder: Path) -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder.parent), "TMPDIR": str(folder), "LANG": "C.UTF-8"}


def drill(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "drill", *arguments]
    return subprocess.run(command, env=environment(folder), cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_all_four_checks_are_kept_each_a_line_with_its_figure_and_plain_lines_tell_how_it_goes(folder: Path) -> None:
    # With the stand-in for the CLI: the load test runs the real one, and a drill with it takes 40 s.
    done = drill(folder, "--agent", "scripted")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split(maxsplit=2)[:2] for line in done.stdout.splitlines()]
    assert [line for line in lines if line[1:] in (["kept"], ["broken"])] == [
        [name, "kept"] for name in ("burst", "duplicate", "revoked-key", "leak")
    ]
    assert re.search(
        r"^revoked-key +kept +0 posted and [1-4] model requests .* readyz 503, healthz 200, resume 0", done.stdout, re.MULTILINE
    )
    assert "revoked-key: a key revoked in the middle …" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_the_verdict_on_one_check_is_told_as_json(folder: Path) -> None:
    done = drill(folder, "duplicate", "--json", "--agent", "scripted")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (said["schema_version"], said["agent"], said["verdict"], said["broken"]) == (1, "scripted", "kept", [])
    assert [(check["name"], check["verdict"]) for check in said["checks"]] == [("duplicate", "kept")]


def test_a_check_that_there_is_not_is_a_usage_error(folder: Path) -> None:
    done = drill(folder, "everything")
    assert done.returncode == 2
    assert "revoked-key" in done.stderr


async def test_an_interrupted_drill_stops_and_removes_everything(folder: Path) -> None:
    children, code = interrupted(folder)
    assert code == 130
    assert len(children) >= 2, "the server and its pool"
    for child in children:
        assert await gone(child, 15), child


def interrupted(folder: Path) -> tuple[list[int], int]:
    command = [COMMAND, "drill", "burst", "--agent", "scripted"]
    with subprocess.Popen(command, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert any("burst: ten webhooks" in line for line in process.stderr), "the check never began"
            children = descendants(process.pid)
            process.send_signal(signal.SIGINT)
            process.stderr.read()
            return children, process.wait(PATIENCE_S)
        finally:
            process.kill()
