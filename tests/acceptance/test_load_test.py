"""`prreview load-test` as its user starts it: the installed command, real processes, nothing left behind."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.processes import gone

COMMAND = Path(sys.executable).with_name("prreview")
QUICK = ("--burst", "4", "--workers", "2", "--agent", "scripted")
PATIENCE_S = 180


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where the command may write; it must have cleaned up."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    yield temporary
    assert [path.name for path in temporary.iterdir()] == []


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder.parent), "TMPDIR": str(folder), "LANG": "C.UTF-8", **more}


def load_test(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command, given = [COMMAND, "load-test", *arguments], environment(folder, **variables)
    return subprocess.run(command, env=given, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def descendants(pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found, new = set[int](), {pid}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found - {pid}


def test_ten_webhooks_at_once_through_the_real_cli_keep_every_promise(folder: Path) -> None:
    done = load_test(folder, "--burst", "10", "--workers", "4", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert (said["verdict"], said["broken"], said["agent"]) == ("kept", [], "claude")
    assert (said["posted"], said["duplicates"], said["lost"], said["acks"]["count"]) == (10, 0, 0, 10)
    assert (said["peak_in_flight"], said["peak_model_calls"] <= 4) == (4, True)
    assert max(row["queued"] for row in said["timeline"]) > 0
    assert said["timeline"][-1] == {**said["timeline"][-1], "queued": 0, "in_flight": 0, "posted": 10}


def test_duplicates_are_acknowledged_and_reviewed_once_and_the_verdict_is_on_stdout(folder: Path) -> None:
    # A profile in the environment alone is not looked at.
    done = load_test(folder, *QUICK, "--duplicates", "4", PRREVIEW_PROFILE="no-such-profile")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "acknowledged 20:" in done.stdout
    assert re.search(r"^Once +kept +0 posted twice", done.stdout, re.MULTILINE)
    assert "All promises kept." in done.stdout
    assert "firing …" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_an_interrupted_one_stops_and_removes_everything(folder: Path, number: signal.Signals) -> None:
    children, code = ended_by(number, folder)
    assert code == 130
    assert len(children) >= 2, "the server and its pool"
    for child in children:
        assert await gone(child, 15), child


async def test_the_server_does_not_outlive_one_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    children, code = ended_by(signal.SIGKILL, folder)
    assert code == -signal.SIGKILL
    for child in children:
        assert await gone(child, 15), child


def ended_by(number: signal.Signals, folder: Path) -> tuple[set[int], int]:
    command = [COMMAND, "load-test", "--burst", "40", "--workers", "2", "--agent", "scripted"]
    with subprocess.Popen(command, env=environment(folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            assert any("in flight 2" in line for line in process.stderr), "the workers never came to work"
            children = descendants(process.pid)
            process.send_signal(number)
            process.stderr.read()
            return children, process.wait(PATIENCE_S)
        finally:
            process.kill()


def test_what_comes_later_is_refused_by_name(folder: Path) -> None:
    done = load_test(folder, "--shape=all")
    assert done.returncode == 2
    assert "--shape" in done.stderr
    assert "not in this version yet" in done.stderr


def test_the_limits_of_a_profile_are_tested_and_the_report_is_one_file_that_loads_nothing(folder: Path) -> None:
    profile = folder.parent / "team.toml"
    profile.write_text(
        'environment = "team"\n[workers]\ncount = 3\nmax_in_flight_per_repository = 1\n[model]\nname = "claude-sonnet-4-5-20250929"\n'
        'base_url = "https://model.invalid"\n[secrets]\nmodel_api_key = "env:NOWHERE"\nhost_token = "env:NOWHERE_EITHER"\n'
    )
    profile.chmod(0o600)
    report = folder.parent / "report.html"
    done = load_test(folder, "--burst", "3", "--agent", "scripted", "--profile", str(profile), "--report", str(report), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (said["workers"], said["peak_in_flight"], said["posted"]) == (3, 1, 3)
    page = report.read_text()
    assert page.count("<svg") == 4
    assert "bound 1" in page
    assert re.search(r"https?://|src=|@import|<script|url\(", page) is None


def test_a_profile_that_is_named_must_be_there(folder: Path) -> None:
    assert load_test(folder, "--profile", "no-such-profile").returncode == 2


def test_a_report_that_cannot_be_written_is_refused_before_the_trial(folder: Path) -> None:
    done = load_test(folder, "--report", str(folder / "nowhere" / "report.html"))
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert "starting" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "moves", "colours"),
    [({"TERM": "xterm"}, True, True), ({"TERM": "xterm", "NO_COLOR": "1"}, True, False), ({"TERM": "dumb"}, False, False)],
)
def test_a_terminal_gets_what_it_can_show(folder: Path, variables: dict[str, str], moves: bool, colours: bool) -> None:
    shown = on_a_terminal(folder, 80, variables, "--burst", "1", "--agent", "scripted")
    assert "All promises kept." in shown
    assert ("\x1b[?25l" in shown) is moves
    assert (re.search(r"\x1b\[(\d+;)*3\d", shown) is not None) is colours
    if not moves:
        assert "\x1b" not in shown
    assert max(len(line) for line in re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", shown).replace("\r", "\n").split("\n")) <= 80


def on_a_terminal(folder: Path, columns: int, variables: dict[str, str], *arguments: str) -> str:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    command = [COMMAND, "load-test", *arguments]
    shown = bytearray()
    with subprocess.Popen(command, env=environment(folder, **variables), stdin=follower, stdout=follower, stderr=follower) as process:
        os.close(follower)
        try:
            while chunk := _read(leader):
                shown += chunk
            assert process.wait(PATIENCE_S) == 0, shown.decode()
        finally:
            process.kill()
            os.close(leader)
    return shown.decode()


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 1 << 16)
    except OSError:  # EIO: the last writer has closed the terminal
        return b""
