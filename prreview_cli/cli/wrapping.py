"""Lines with a label in front and their text beside it, within the terminal's width."""

from __future__ import annotations

import sys

from prreview_cli.cli.folding import folded
from prreview_cli.cli.output import PIPE_WIDTH, READABLE, safe, screen


def width() -> int:
    """How wide lines of data may be: as the terminal is, and in a pipe as long as they come."""
    return min(screen(sys.stdout), READABLE) if sys.stdout.isatty() else PIPE_WIDTH


def labelled(label: str, text: str, columns: int) -> str:
    """`label` and beside it the text, folded under its own beginning. Words are not broken: a path stays one to copy."""
    first, *more = folded(safe(text), max(20, columns - len(label)))
    return "\n".join([label + first, *(" " * len(label) + line for line in more)])
