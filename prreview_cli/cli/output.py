"""What a command says: data on stdout, everything else on stderr, and nothing that could drive a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

SCHEMA_VERSION = 1
PIPE_WIDTH = 10_000
"""Columns of a table that no terminal shows: nothing is folded for a program that reads lines."""

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: escape sequences begin with one of these
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # bidi, zero-width, tags
    "\ud800-\udfff]"
)


def safe(text: object) -> str:
    """One line of text without control, bidirectional and zero-width characters: what strangers wrote may be printed so.

    Line breaks and tabs become spaces.
    """
    return _UNSAFE.sub("", re.sub(r"[\t\r\n\v\f\x85\u2028\u2029]+", " ", str(text)))


def say(text: str) -> None:
    """A line, or a few, for the person at the terminal."""
    _write(sys.stderr, text)


def say_error(text: str, remedy: str = "") -> None:
    """What went wrong and, below it, what to do."""
    label = "\x1b[1;31merror:\x1b[0m" if colours(sys.stderr) else "error:"
    lines = [safe(line) for line in text.split("\n")]
    told = "\n".join([f"{label} {lines[0]}", *(f"  {line.strip()}" for line in lines[1:]), *([f"  {safe(remedy)}"] if remedy else [])])
    _emit(sys.stderr, told)


def print_text(text: str) -> None:
    """Lines of data."""
    _write(sys.stdout, text)


def print_json(data: Mapping[str, Any]) -> None:
    """One JSON object with its `schema_version`; non-ASCII is escaped, so that it is safe on a terminal too."""
    _emit(sys.stdout, json.dumps({"schema_version": SCHEMA_VERSION, **data}, indent=2 if sys.stdout.isatty() else None))


def print_event(data: Mapping[str, Any]) -> None:
    """One JSON object on one line, for whoever started us and waits for it."""
    _emit(sys.stdout, json.dumps(data))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table of data; long cells are folded on a terminal and left whole elsewhere."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(safe(cell)) for cell in row))
    terminal = sys.stdout.isatty()
    Console(
        file=sys.stdout,
        markup=False,
        highlight=False,
        emoji=False,
        width=None if terminal else PIPE_WIDTH,
        no_color=not colours(sys.stdout),
        force_terminal=terminal and colours(sys.stdout),
    ).print(table)


def colours(stream: TextIO) -> bool:
    """Whether a stream takes colours: a terminal does, unless NO_COLOR or a dumb terminal says no."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _write(stream: TextIO, text: str) -> None:
    _emit(stream, "\n".join(safe(line) for line in text.split("\n")))


def _emit(stream: TextIO, text: str) -> None:
    stream.write(f"{text}\n")
    stream.flush()
