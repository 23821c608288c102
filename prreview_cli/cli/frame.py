"""What every command stands in: its Typer application, and how it ends when something goes wrong."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from prreview_cli.cli.commands.later import refuse_later
from prreview_cli.cli.output import say, say_error
from prreview_cli.core.errors import ExitCode, PrreviewError
from prreview_cli.telemetry.logs import NOTE

BROKEN_PIPE = 141
"""As a shell reports a program that SIGPIPE ended: nobody read the rest, so it was neither good nor bad."""

PACKAGE = Path(__file__).parents[1]


class Group(TyperGroup):
    """A group of commands that refuses the verbs of later versions by name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        refuse_later(ctx.info_name or "" if ctx.parent else "", args[0])
        return super().resolve_command(ctx, args)


def new_app(**settings: Any) -> typer.Typer:
    """The Typer application of a verb: plain help, no completion options of its own, no pretty tracebacks."""
    return typer.Typer(
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
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        raise typer.Exit(BROKEN_PIPE) from None
    except KeyboardInterrupt:
        say("Interrupted.")
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
    except Exception as error:
        if type(error).__module__.startswith("typer"):  # its own ways of ending, and its usage errors (exit 2)
            raise
        say_error(*_fault(error))
        raise typer.Exit(int(ExitCode.BROKEN)) from None


def _fault(error: Exception) -> tuple[str, str]:
    """What to say of a fault of our own: its type and place, and not its text, which could hold anything."""
    where = next(
        (frame for frame in reversed(traceback.extract_tb(error.__traceback__)) if Path(frame.filename).is_relative_to(PACKAGE)), None
    )
    place = f" at {Path(where.filename).relative_to(PACKAGE)}:{where.lineno}" if where else ""
    told = f"Something went wrong inside prreview: {type(error).__name__}{place}."
    notes = [note.removeprefix(NOTE) for note in getattr(error, "__notes__", []) if note.startswith(NOTE)]
    return told, f"Please report it with the traceback in {notes[0]}." if notes else "Please report it with this place."
