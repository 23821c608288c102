"""Standard streams that are closed, full, or read by nobody; and SIGINT before a verb has begun and after it has ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.installed import PROGRAM, prreview


def shell(home: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which `prreview` is the installed program."""
    return prreview(home, "-o", "pipefail", "-c", line, command=["bash"], environ={"PATH": f"{PROGRAM.parent}:/usr/bin:/bin"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a profile `dev`, which is paused."""
    made = tmp_path_factory.mktemp("streams")
    assert prreview(made, "profile", "create", "dev").returncode == 0
    assert prreview(made, "pause", "A reason.", "-p", "dev").returncode == 0
    return made


def test_a_closed_stream_is_no_fault_of_ours_and_no_file_takes_its_place(home: Path) -> None:
    for closed in (">&-", "<&- >&- 2>&-"):
        run = shell(home, f"prreview status -p dev {closed}")
        assert (run.returncode, run.stderr) == (0, "")

    assert json.loads(prreview(home, "status", "-p", "dev", "--json").stdout)["paused"]["reason"] == "A reason."


@pytest.mark.parametrize("nowhere", ["2>&-", "2>/dev/full"])
def test_an_error_that_nobody_can_be_told_keeps_its_exit_code(home: Path, nowhere: str) -> None:
    assert shell(home, f"prreview status -p nosuch {nowhere}").returncode == 2


@pytest.mark.parametrize("unbuffered", ["", "PYTHONUNBUFFERED=1 "])
@pytest.mark.parametrize("words", ["jobs list -p dev --json", "profile list", "status --help"])
def test_a_full_disk_below_stdout_is_told_in_sentences(home: Path, words: str, unbuffered: str) -> None:
    run = shell(home, f"{unbuffered}prreview {words} > /dev/full")

    assert run.returncode == 1
    assert run.stderr.startswith("error: Standard output cannot be written: No space left on device.\n  ")
    assert "Exception ignored" not in run.stderr
    assert "Traceback" not in run.stderr


def test_a_watch_that_nobody_reads_any_more_ends_by_itself(home: Path) -> None:
    run = shell(home, "prreview status --watch -p dev | head -1; echo ${PIPESTATUS[0]}")

    line, code = run.stdout.splitlines()
    assert ("paused: A reason." in line, code, run.stderr) == (True, "141", "")


@pytest.mark.parametrize("words", ["profile list", "doctor -p dev --offline", "status -p nosuch"])
def test_a_pipe_gets_no_escape_code_whatever_the_terminal_is(home: Path, words: str) -> None:
    run = prreview(home, *words.split(), environ={"TERM": "xterm-256color", "COLORTERM": "truecolor"})

    assert "\x1b" not in run.stdout + run.stderr


STRUCK = """
import atexit, os, signal, sys

class Striker:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Striker())
if {module!r} == "the end":
    atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
from prreview_cli.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["prreview_cli.cli.root", "typer", "prreview_cli.cli.commands.shapes", "the end"])
def test_ctrl_c_before_a_verb_begins_and_after_it_has_ended_is_130_and_silent(tmp_path: Path, module: str) -> None:
    run = prreview(tmp_path, "shapes", "--json", command=[sys.executable, "-I", "-c", STRUCK.format(module=module)])

    assert (run.returncode, run.stderr) == (130, "")
    assert (run.stdout == "") is (module != "the end")


def test_ctrl_c_stays_ignored_where_it_was(tmp_path: Path) -> None:
    struck = prreview(
        tmp_path,
        "shapes",
        command=["bash", "-c", 'trap "" INT; exec "$@"', "-", sys.executable, "-I", "-c", STRUCK.format(module="typer")],
    )

    assert struck.returncode == 0, struck.stderr
