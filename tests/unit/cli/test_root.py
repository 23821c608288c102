from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from prreview_cli.cli import root
from prreview_cli.cli.commands.later import LATER_COMMANDS, LATER_SUBCOMMANDS
from prreview_cli.cli.frame import told_in_sentences
from prreview_cli.core.errors import ExitCode, ModelKeyRejected, UsageError
from prreview_cli.telemetry import open_log

PRESENT = [name for name in root.COMMANDS if find_spec(f"prreview_cli.cli.commands.{name.replace('-', '_')}")]


def test_help_lists_every_verb_with_its_whole_line() -> None:
    result = CliRunner().invoke(root.app, ["--help"], env={"COLUMNS": "80"})

    assert result.exit_code == 0
    for name, line in root.COMMANDS.items():
        assert f"{name} " in result.stdout
        assert line in result.stdout


@pytest.mark.parametrize("name", PRESENT)
def test_a_verbs_help_has_an_example(name: str) -> None:
    result = CliRunner().invoke(root.app, [name, "--help"])

    assert result.exit_code == 0
    assert "Example: prreview" in result.stdout or "Commands:" in result.stdout


@pytest.mark.parametrize(
    "words", [[name] for name in LATER_COMMANDS] + [[group, name] for group, names in LATER_SUBCOMMANDS.items() for name in names]
)
def test_a_verb_of_a_later_version_is_refused_by_name(words: list[str]) -> None:
    if words[0] in root.COMMANDS and words[0] not in PRESENT:
        pytest.skip(f"{words[0]} is not built yet.")

    result = CliRunner().invoke(root.app, [*words, "--whatever", "x"])

    assert result.exit_code == ExitCode.USAGE
    assert f"`prreview {' '.join(words)}` is not in this version yet." in result.stderr


def test_nothing_is_both_here_and_later() -> None:
    assert not set(LATER_COMMANDS) & set(root.COMMANDS)


@pytest.mark.parametrize(
    ("words", "expected"), [(["profil"], "Did you mean 'profile'?"), (["profile", "--x"], "No such option"), ([], "Usage:")]
)
def test_a_typing_error_is_a_usage_error(words: list[str], expected: str) -> None:
    result = CliRunner().invoke(root.app, words)

    assert result.exit_code == 2
    assert expected in result.stderr + result.stdout
    assert "?." not in result.stderr


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(root.app, ["--version"]).stdout.startswith("prreview 0.")


def test_an_error_becomes_its_sentences_and_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    for error, code in ((UsageError("No.", remedy="Do."), 2), (ModelKeyRejected("No."), 4)):
        with pytest.raises(typer.Exit) as caught, told_in_sentences():
            raise error
        assert caught.value.exit_code == code

    assert capsys.readouterr().err.startswith("error: No.\n  Do.\n")


def test_an_interruption_is_130() -> None:
    with pytest.raises(typer.Exit) as caught, told_in_sentences():
        raise KeyboardInterrupt

    assert caught.value.exit_code == ExitCode.INTERRUPTED


def test_a_fault_of_ours_is_told_by_type_and_place_and_not_by_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, told_in_sentences():
        raise RuntimeError("the key is hunter2")

    told = capsys.readouterr().err
    assert caught.value.exit_code == 1
    assert "RuntimeError at cli/frame.py:" in told
    assert "hunter2" not in told
    assert "Traceback" not in told


def test_a_fault_of_ours_is_in_the_log_where_there_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), told_in_sentences(), open_log(tmp_path, "x", level="info", redact=str, quiet=True) as log:
        raise RuntimeError("what happened")
    assert log.path is not None
    assert str(log.path) in capsys.readouterr().err
    assert "what happened" in log.path.read_text()
