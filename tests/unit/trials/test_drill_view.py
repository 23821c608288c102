from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from prreview_cli.cli.drill_view import MEANING, Lines, picture, print_drilled
from prreview_cli.trials.drill import CHECKS, Drilled, Progress
from prreview_cli.trials.verdict import Promise

KEPT, BROKEN = Promise("burst", True, "all well"), Promise("duplicate", False, "1 posted twice")


def test_every_check_is_explained_in_its_order() -> None:
    assert list(MEANING) == list(CHECKS) == ["burst", "duplicate", "revoked-key", "leak"]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_live_view_shows_each_check_with_its_state_within_its_width(width: int) -> None:
    state = Progress("claude", tuple(CHECKS), current="revoked-key", in_flight=3, posted=13, seconds=7.25, done=[KEPT, BROKEN])
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(picture(state))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert [line.split()[1] for line in lines if line.split() and line.split()[0] in CHECKS] == ["kept", "broken", "running", "waiting"]
    assert "in flight 3" in out.getvalue()


def test_plain_lines_say_once_what_begins_and_how_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    view, state = Lines(), Progress("scripted", ("burst", "leak"), ("files",))
    view(state)
    state.current = "burst"
    for _ in range(3):
        view(state)
    state.done.append(KEPT)
    state.current = "leak"
    view(state)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("2 checks · the scripted agent")
    assert "files layer" in lines[1]
    assert [line.split("s  ")[-1] for line in lines[3:]] == [
        "burst: ten webhooks at once …",
        "burst: kept",
        "leak: failing calls that echo the key …",
    ]


def test_the_result_is_a_line_for_each_check_and_names_the_broken_ones_again(capsys: pytest.CaptureFixture[str]) -> None:
    print_drilled(Drilled("scripted", (KEPT, BROKEN), 12.3))
    out = capsys.readouterr().out
    assert re.search(r"^burst +kept +all well", out, re.MULTILINE)
    assert re.search(r"^duplicate +broken +1 posted twice", out, re.MULTILINE)
    assert out.rstrip().endswith("Broken: duplicate.")
    assert "\x1b" not in out
