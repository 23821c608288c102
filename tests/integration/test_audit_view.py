from __future__ import annotations

import os
import pty
import re
import sys
from pathlib import Path

import pytest

from prreview_cli.audit import Finding, Search
from prreview_cli.cli.audit_view import said, watching
from prreview_cli.secrecy import Matcher, Secret
from support.leaks import KEY, log_lines


class Ticking:
    """A clock that goes on by so many seconds each time it is read."""

    def __init__(self, step: float) -> None:
        self._now, self._step = 0.0, step

    def monotonic(self) -> float:
        self._now += self._step
        return self._now


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / f"a\x1b[2J{KEY}.log"
    path.write_text(log_lines(3_000) + KEY)
    return path


def searched(log: Path, clock: Ticking) -> Search:
    search = Search(Matcher({"prod/model_api_key": Secret(KEY)}))
    with watching(search, clock):  # type: ignore[arg-type]
        search.path(log)
    return search


def test_a_pipe_is_told_in_plain_lines_now_and_then(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searched(log, Ticking(0.001))
    assert capsys.readouterr().err == ""

    searched(log, Ticking(3))
    lines = capsys.readouterr().err.splitlines()

    assert lines
    assert all(re.fullmatch(r"\d+\.\d kB at \d+\.\d kB/s  .*a\[2Jsk-ant-api03-\[.* hidden\]\.log", line) for line in lines), lines


@pytest.mark.parametrize("no_color", [True, False])
def test_a_terminal_is_shown_one_line_that_is_gone_in_the_end(log: Path, monkeypatch: pytest.MonkeyPatch, no_color: bool) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        searched(log, Ticking(0.2))
        terminal.write("that was all")
        terminal.flush()
        shown = ""
        while "that was all" not in shown:  # a terminal hands over in pieces
            shown += os.read(ours, 1 << 16).decode()
    os.close(ours)

    assert "kB/s" in shown
    assert ("\x1b[36m" in shown) is not no_color
    assert "\x1b[2J" not in shown
    assert KEY[13:21] not in shown
    assert "\x1b[2K" in shown.rpartition("kB/s")[2]


def test_the_outcome_is_a_sentence_with_what_to_do() -> None:
    search = Search(Matcher({}))
    search.report.sources, search.report.scanned_bytes = 1, 2_500_000
    assert said(search.report, 2) == "Searched 1 source, 2.5 MB at 1.2 MB/s, in 2.0 s: no secret found."

    search.not_scanned("x", "a reason")
    search.report.findings.append(Finding("y", 1, 0, "rule", "github-token"))
    assert "1 finding, but 1 not wholly searched.\nWhat is named here has leaked: rotate it first" in said(search.report, 0)
