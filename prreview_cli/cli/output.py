"""What a command says: data on stdout, everything else on stderr, and nothing that could drive a terminal or a CI runner."""

from __future__ import annotations

import json
import os
import re
import select
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from prreview_cli.cli.folding import folded
from prreview_cli.core.markup import json_without_commands, without_commands

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA_VERSION = 1
READABLE = 110
"""Columns beyond which a line is hard to read."""
PIPE_WIDTH = 10_000
"""Columns of a table that no terminal shows: nothing is folded for a program that reads lines."""

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: escape sequences begin with one of these
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # bidi, zero-width, tags
    "\ud800-\udfff]"
)


def safe(text: object) -> str:
    """One line of text without control, bidirectional and zero-width characters: what strangers wrote may be printed so.

    Line breaks and tabs become spaces.
    """
    return _UNSAFE.sub("", re.sub(r"[\t\r\n\v\f\x85\u2028\u2029]+", " ", str(text)))


def say(text: str) -> None:
    """A line, or a few, for the person at the terminal, folded there at its words."""
    _tell("\n".join(_fitted(sys.stderr, safe(line), "") for line in text.split("\n")))


def say_error(text: str, remedy: str = "") -> None:
    """What went wrong and, below it, what to do."""
    label = "\x1b[1;31merror:\x1b[0m" if colours(sys.stderr) else "error:"
    first, *more = [safe(line).strip() for line in text.split("\n")]
    told = [f"{label} {_fitted(sys.stderr, first, '       ').lstrip()}"]
    _tell("\n".join([*told, *(_fitted(sys.stderr, line, "  ") for line in [*more, *([safe(remedy)] if remedy else [])])]))


def print_text(text: str) -> None:
    """Lines of data."""
    _write(sys.stdout, text)


def print_json(data: Mapping[str, Any]) -> None:
    """One JSON object with its `schema_version`; non-ASCII is escaped, so that it is safe on a terminal too."""
    _emit_json({"schema_version": SCHEMA_VERSION, **data}, indent=2 if sys.stdout.isatty() else None)


def print_event(data: Mapping[str, Any]) -> None:
    """One JSON object on one line, for whoever started us and waits for it."""
    _emit_json(data)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table of data. On a terminal it is laid out in the columns there are; elsewhere each row is one line."""
    from prreview_cli.cli.tables import layout  # noqa: PLC0415 - most commands print none

    told = [[safe(cell) for cell in row] for row in rows]
    laid = layout(columns, told, screen(sys.stdout) if sys.stdout.isatty() else None)
    bold, plain = ("\x1b[1m", "\x1b[0m") if colours(sys.stdout) else ("", "")
    heading = [f"{bold}{line}{plain}" for line in laid.record(columns)]
    _emit(sys.stdout, "\n".join([*heading, *(line for row in told for line in laid.record(row))]))


def print_drawn(*drawn: RenderableType) -> None:
    """Drawings of rich as data, an empty line between them; the caller has made strangers' texts safe."""
    from rich.console import Console  # noqa: PLC0415 - slow to import

    terminal = sys.stdout.isatty()
    console = Console(
        markup=False,
        highlight=False,
        emoji=False,
        no_color=not colours(sys.stdout),
        force_terminal=colours(sys.stdout),
        width=screen(sys.stdout) if terminal else PIPE_WIDTH,
    )
    with console.capture() as captured:
        for number, each in enumerate(drawn):
            if number:
                console.print()
            console.print(each)
    _emit(sys.stdout, "\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")))


def screen(stream: TextIO) -> int:
    """How many columns the terminal has that a stream leads to; 80 where nobody knows."""
    with suppress(OSError, ValueError):
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(stream.fileno()).columns) or 80
    return 80


def expect_a_reader() -> None:
    """BrokenPipeError if nobody reads stdout any more, for a command that would else go on and notice it much later."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    if any(state & select.POLLERR for _, state in poll.poll(0)):
        raise BrokenPipeError


def colours(stream: TextIO) -> bool:
    """Whether a stream takes colours: a terminal does, unless NO_COLOR or a dumb terminal says no."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _fitted(stream: TextIO, line: str, indent: str) -> str:
    """A line with its indent, folded where the stream leads to a terminal."""
    text = line.lstrip()
    indent += line[: len(line) - len(text)]
    if not stream.isatty():
        return indent + text
    return "\n".join(indent + part for part in folded(text, max(20, min(screen(stream), READABLE) - len(indent))))


def _write(stream: TextIO, text: str) -> None:
    _emit(stream, "\n".join(safe(line) for line in text.split("\n")))


def _tell(text: str) -> None:
    """Words to stderr. If nobody can be told, that is no reason to stop."""
    try:
        _emit(sys.stderr, text)
    except OSError:
        drop(sys.stderr)


def drop(stream: TextIO) -> None:
    """Lead a stream that cannot be written to nowhere, or the interpreter complains of it at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _emit_json(data: Mapping[str, Any], indent: int | None = None) -> None:
    _emit(sys.stdout, json_without_commands(json.dumps(data, indent=indent)))


def _emit(stream: TextIO, text: str) -> None:
    """The last place that every line passes, so that none is a command to a CI runner."""
    stream.write(f"{without_commands(text)}\n")
    stream.flush()
