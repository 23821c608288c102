from __future__ import annotations

import io
import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from prreview_cli.cli.output import print_drawn, print_json, print_table, print_text, safe, say, say_error
from support.hostile_text import hostile

HOSTILE = "a\x1b]52;c;aGk=\x07b\x9b31mc\u202ed\u200be\r\nf\x00[bold]g[/bold]\u2066h"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@settings(deadline=None)  # a busy machine is not a failure
@given(st.text())
def test_safe_text_drives_no_terminal(text: str) -> None:
    shown = safe(text)

    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(shown) & set("\x1b\x07\x9b\r\n\t\u202e\u2066\u200b\u2028\ufeff\u061c")
    assert safe(shown) == shown


DRIVING = st.sampled_from(
    ["\x1b", "\x9b31m", "\x9d0;t\x9c", "\x90q", "\x1b]52;c;aGk=\x07", "\x1b]8;;x\x1b\\", "\x08", "\r", "\x85", "\u2028", "\u202e"]
)
HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
SAID: dict[str, Callable[[str], object]] = {
    "say": say,
    "say_error": lambda text: say_error(text, text),
    "text": print_text,
    "table": lambda text: print_table(["A", "B"], [[text, "b"], ["a", text]]),
    "drawn": lambda text: print_drawn(Text(safe(text))),
    "json": lambda text: print_json({text: text}),
}


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
@pytest.mark.parametrize("how", SAID)
@given(text=st.lists(hostile | DRIVING | st.characters(categories=["Cc", "Cf", "Cs", "Co"]), max_size=8).map("".join))
def test_whatever_strangers_wrote_no_way_of_saying_it_drives_a_terminal(how: str, terminal: bool, text: str) -> None:
    stream = Terminal() if terminal else io.StringIO()
    with patch.dict(os.environ, {"TERM": "dumb", "COLUMNS": "80"}), redirect_stdout(stream), redirect_stderr(stream):
        SAID[how](text)

    kept = {char for char in stream.getvalue() if unicodedata.category(char) in HIDDEN and char != "\n"}
    assert {char for char in kept if not re.match("ARABIC (?!LETTER MARK)|SYRIAC|KAITHI", unicodedata.name(char, ""))} == set()


def test_safe_text_keeps_what_people_write() -> None:
    assert safe("Füge 日本語, „ok“ 🎉 [bold] hinzu") == "Füge 日本語, „ok“ 🎉 [bold] hinzu"
    assert safe("a\n\tb") == "a b"


@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_holds_no_control_characters_of_strangers_and_no_markup(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    out = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("NO_COLOR", "1")

    print_table(["TITLE"], [[HOSTILE]])

    assert "[bold]g[/bold]" in out.getvalue()
    assert not set(out.getvalue()) & set("\x1b\x07\x9b\u202e\u200b\u2066\x00\r")


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream, coloured in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        say_error("No.")
        assert ("\x1b[" in stream.getvalue()) is coloured

    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    say_error("No.")
    assert "\x1b[" not in stream.getvalue()


@pytest.mark.parametrize("columns", [80, 140])
def test_a_table_fits_the_terminal_and_loses_nothing(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(sys, "stdout", out := Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")

    print_table(["NAME", "REASON"], [["a", "word " * 60]])

    assert max(len(line.rstrip()) for line in out.getvalue().splitlines()) <= columns
    assert out.getvalue().count("word") == 60


def test_a_table_in_a_pipe_has_one_line_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())

    print_table(["NAME", "REASON"], [["a", "word " * 60], ["b", "c"]])

    assert len(out.getvalue().splitlines()) == 3
    assert max(map(len, out.getvalue().splitlines())) < 400


def test_data_goes_to_stdout_and_words_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"title": HOSTILE})
    print_text("data\nmore")
    say("words")
    say_error("One.\n  Two.", "Do it.")

    out, err = capsys.readouterr()
    assert out.endswith("data\nmore\n")
    assert json.loads(out.splitlines()[0]) == {"schema_version": 1, "title": HOSTILE}
    assert out.isascii()
    assert err == "words\nerror: One.\n  Two.\n  Do it.\n"
