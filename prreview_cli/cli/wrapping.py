"""Lines with a label in front and their text beside it, within the terminal's width."""

from __future__ import annotations

import shutil
import sys
import textwrap

from prreview_cli.cli.output import PIPE_WIDTH, safe

READABLE = 110
"""Columns beyond which a line is hard to read."""


def width() -> int:
    """How wide lines of data may be: as the terminal is, and in a pipe as long as they come."""
    return min(shutil.get_terminal_size().columns, READABLE) if sys.stdout.isatty() else PIPE_WIDTH


def labelled(label: str, text: str, columns: int) -> str:
    """`label` and beside it the text, folded under its own beginning. Words are not broken: a path stays one to copy."""
    room = max(20, columns - len(label))
    lines = textwrap.wrap(safe(text), room, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join([label + lines[0], *(" " * len(label) + line for line in lines[1:])])
