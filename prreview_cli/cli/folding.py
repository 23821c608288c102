"""Text folded at its words, and measured as a terminal shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_WORD = re.compile(r"(\s*)((?:`[^`]*`|\S)+)")


def cells(text: str) -> int:
    """How many columns of a terminal a line takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - slow to import

    return cell_len(text)


def folded(text: str, room: int) -> list[str]:
    """The lines of `text` in `room` columns; at least one.

    A word is never broken, nor a command between backquotes that would fit in a line: a path and a command stay whole,
    to be copied. What is longer than the room stands alone in its line, and the terminal breaks it.
    """
    lines: list[str] = []
    for gap, word in _words(text, room):
        if lines and cells(lines[-1]) + cells(gap) + cells(word) <= room:
            lines[-1] += gap + word
        else:
            lines.append(word)
    return lines or [""]


def _words(text: str, room: int) -> Iterator[tuple[str, str]]:
    """Each with the space before it."""
    for gap, word in _WORD.findall(text):
        if cells(word) <= room:
            yield gap, word
        else:
            yield from ((gap if not number else " ", part) for number, part in enumerate(word.split()))
