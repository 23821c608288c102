"""Help reads well at 80 columns, whichever command is asked for it, and drives no terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from prreview_cli.cli import root


def _all(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    for name in getattr(command, "commands", {}):
        found = root.load(name) if not words else command.commands[name]
        yield from _all(found, (*words, name)) if isinstance(found, TyperGroup) else [(*words, name)]


COMMANDS = list(_all(get_command(root.app)))


def helped(words: tuple[str, ...]) -> str:
    result = CliRunner().invoke(root.app, [*words, "--help"], env={"COLUMNS": "80", "TERM": "xterm-256color", "FORCE_COLOR": "1"})
    assert result.exit_code == 0
    return result.stdout


def test_the_sub_commands_are_among_those_looked_at() -> None:
    assert {("status",), ("jobs", "list"), ("profile", "create"), ("secret", "set")} < set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_has_an_example_within_80_columns_and_no_escape_code(words: tuple[str, ...]) -> None:
    told = helped(words)

    assert re.search(r"^  .*: .*prreview ", told, re.MULTILINE), "a line with an example, to be copied whole"
    assert max(map(len, told.splitlines())) <= 80
    assert "\x1b" not in told


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_cuts_no_sentence_and_names_no_type_of_the_program(words: tuple[str, ...]) -> None:
    told = helped(words)

    assert not re.search(r"[a-z,]\.\.\.$", told, re.MULTILINE), "a sentence that is cut"
    assert not re.search(r"<(str|int|float|list|path)\b|\{|\[\[", told)


def test_the_value_of_a_secret_is_no_argument_that_help_offers() -> None:
    assert "Usage: root secret set [OPTIONS] NAME\n" in helped(("secret", "set"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["jobs", "list", "--state", "gone"], "'gone' is not one of 'queued'"),
        (["nosuch"], "No such command"),
        (["--nosuch"], "No such option"),
        (["why"], "Missing argument"),
        (["pause", "a", "b"], "unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_told_like_every_error_and_names_the_help(words: list[str], told: str) -> None:
    result = CliRunner().invoke(root.app, words)

    assert result.exit_code == 2
    assert result.stdout == ""
    first, remedy = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert told in first
    assert re.fullmatch(r"  See `root.* --help`\.|  See `prreview --help`\.", remedy)
