"""Tables and texts in the columns there are: words, ids and commands stay whole."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prreview_cli.cli.folding import cells, folded
from prreview_cli.cli.output import print_table, say, say_error
from prreview_cli.cli.tables import layout

LONG = "octo/" + "a-very-long-name-" * 6 + "x#12"
REASON = "The agent used all its turns without handing in a review; raise model.max_turns."
COLUMNS = ["JOB", "PULL REQUEST", "HEAD", "STATE", "ATTEMPTS", "UPDATED", "REASON"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[80, 140])
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("TERM", "dumb")
    return int(request.param)


@settings(deadline=None)
@given(st.lists(st.text("ab` 日", min_size=0, max_size=30)), st.integers(1, 60))
def test_folding_loses_no_word_and_breaks_none(words: list[str], room: int) -> None:
    text = " ".join(words)
    lines = folded(text, room)

    assert " ".join(lines).split() == text.split()
    assert all(cells(line) <= room or max(map(cells, line.split())) > room for line in lines)


def test_a_command_between_backquotes_is_not_folded_where_it_fits_in_a_line() -> None:
    assert folded("Make one with `prreview profile create NAME`, then go on.", 40) == [
        "Make one with",
        "`prreview profile create NAME`, then go",
        "on.",
    ]


def test_wide_characters_count_twice() -> None:
    assert folded("日本語 日本語", 8) == ["日本語", "日本語"]


def test_a_table_that_fits_has_its_columns_beside_each_other() -> None:
    laid = layout(["A", "B"], [["1", "two words"]], 80)
    assert (laid.record(["A", "B"]), laid.record(["1", "two words"])) == (["A  B"], ["1  two words"])


def test_a_text_is_folded_in_its_column_where_there_is_room() -> None:
    laid = layout(["A", "B"], [["1", "word " * 10]], 40)
    assert laid.record(["1", "word " * 10]) == ["1  word word word word word word word", "   word word word"]


def test_where_there_is_no_room_a_column_goes_below_its_row_and_every_id_stays_whole(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(sys, "stdout", out := Terminal())

    print_table(COLUMNS, [["j00000004", LONG, "0123456789", "superseded", 1, "2026-11-24 09:42:50Z", REASON]])

    heading, *lines = out.getvalue().splitlines()
    assert "j00000004  0123456789  superseded  1         2026-11-24 09:42:50Z" in "\n".join(lines)
    assert f"    {LONG}" in lines
    assert REASON in " ".join(" ".join(lines).split())
    assert heading.split()[0] == "JOB"
    assert all(len(line) <= columns or line == f"    {LONG}" for line in lines)


def test_in_a_pipe_a_row_is_one_line_without_blanks_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(COLUMNS, [["j1", LONG, "01", "dead", 1, "now", REASON], ["j2", "o/r#1", "01", "dead", 1, "now", ""]])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert not [line for line in lines if line != line.rstrip()]
    assert REASON in lines[1]


def test_words_on_a_terminal_are_folded_at_words_and_in_a_pipe_left_alone(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    sentence = "Choose one with --profile NAME, or make one with `prreview profile create NAME --template prod`. " * 2
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        say(sentence)
        say_error(sentence, sentence)
        lines = stream.getvalue().splitlines()
        assert (max(map(len, lines)) <= columns) is stream.isatty()
        assert stream.getvalue().count("`prreview profile create NAME --template prod`") == 6
        assert (len(lines) == 3) is not stream.isatty()
