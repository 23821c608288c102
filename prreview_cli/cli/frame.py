"""What every command stands in: its Typer application, and how it ends when something goes wrong."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from prreview_cli.cli.help import App, Group
from prreview_cli.cli.output import drop, say, say_error
from prreview_cli.core.errors import ExitCode, PrreviewError
from prreview_cli.telemetry.logs import NOTE

BROKEN_PIPE = 141
"""As a shell reports a program that SIGPIPE ended: nobody read the rest, so it was neither good nor bad."""

PACKAGE = Path(__file__).parents[1]


def new_app(**settings: Any) -> App:
    """The Typer application of a verb: plain help, no completion options of its own, no pretty tracebacks."""
    return App(
        cls=Group,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )


@contextmanager
def told_in_sentences() -> Iterator[None]:
    """The command line's boundary: whatever goes wrong inside becomes sentences on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()
    except PrreviewError as error:
        say_error(str(error), error.remedy)
        raise typer.Exit(int(error.exit_code)) from None
    except BrokenPipeError:
        drop(sys.stdout)
        raise typer.Exit(BROKEN_PIPE) from None
    except KeyboardInterrupt:
        say("\nInterrupted." if sys.stderr.isatty() else "Interrupted.")  # a terminal has its ^C in the line
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help
            raise
        say_error(*_misuse(error))
        raise typer.Exit(error.exit_code) from None
    except Exception as error:
        if type(error).__module__.startswith("typer"):  # its own ways of ending
            raise
        say_error(*(_unwritable() or _fault(error)))
        raise typer.Exit(int(ExitCode.BROKEN)) from None


def _misuse(error: typer.TyperException) -> tuple[str, str]:
    """What to say of words that are no command line."""
    context = getattr(error, "ctx", None)
    told = error.format_message().replace("Value error, ", "").rstrip(".")
    return told if told.endswith("?") else f"{told}.", f"See `{context.command_path if context else 'prreview'} --help`."


def _unwritable() -> tuple[str, str] | None:
    """What to say if stdout cannot be written: what it was given last is lost. None if it can."""
    try:
        sys.stdout.flush()  # what could not be written is still held, so that it fails once more
    except OSError as error:
        drop(sys.stdout)
        return f"Standard output cannot be written: {error.strerror}.", "What it leads to needs room; then run the command again."
    return None


def _fault(error: Exception) -> tuple[str, str]:
    """What to say of a fault of our own: its type and place, and not its text, which could hold anything."""
    where = next(
        (frame for frame in reversed(traceback.extract_tb(error.__traceback__)) if Path(frame.filename).is_relative_to(PACKAGE)), None
    )
    place = f" at {Path(where.filename).relative_to(PACKAGE)}:{where.lineno}" if where else ""
    told = f"Something went wrong inside prreview: {type(error).__name__}{place}."
    notes = [note.removeprefix(NOTE) for note in getattr(error, "__notes__", []) if note.startswith(NOTE)]
    return told, f"Please report it with the traceback in {notes[0]}." if notes else "Please report it with this place."
