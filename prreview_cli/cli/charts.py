"""Bars and sparklines in a line of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Blocks:
    """What is drawn with: the levels of a sparkline from nothing to full, and a bar's three characters."""

    levels: str
    full: str
    empty: str
    mark: str


_DRAWN = Blocks(" ▁▂▃▄▅▆▇█", "█", "░", "│")
_TYPED = Blocks(" .:-=+*#@", "#", ".", "|")


def blocks(encoding: str | None) -> Blocks:
    """The characters that a stream of this encoding can show."""
    try:
        (_DRAWN.levels + _DRAWN.empty + _DRAWN.mark).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return _TYPED
    return _DRAWN


def bar(value: int, full: int, width: int, drawing: Blocks, *, mark: int | None = None) -> str:
    """`value` of `full` in `width` characters, with a mark just behind the length that `mark` would have."""
    length = _scaled(value, full, width)
    cells = [drawing.full] * length + [drawing.empty] * (width - length)
    if mark is not None:
        cells[min(_scaled(mark, full, width), width - 1)] = drawing.mark
    return "".join(cells)


def sparkline(values: Sequence[int], width: int, drawing: Blocks, full: int) -> str:
    """The course of `values` in at most `width` characters: each shows the most of its share of time."""
    count = min(width, len(values))
    shares = [values[index * len(values) // count : (index + 1) * len(values) // count] for index in range(count)]
    top = len(drawing.levels) - 1
    return "".join(drawing.levels[_scaled(max(share), full, top)] for share in shares)


def evenly(points: Sequence[tuple[float, int]], count: int) -> list[int]:
    """A stepped course, given where it changes, as the most in each of `count` equal spans of its time."""
    begin, end = points[0][0], points[-1][0]
    spans: list[int] = []
    for index in range(count):
        first, last = (begin + (end - begin) * (index + step) / count for step in (0, 1))
        held = [value for at, value in points if at <= first][-1:]
        spans.append(max([*held, *(value for at, value in points if first < at <= last)]))
    return spans


def _scaled(value: int, full: int, length: int) -> int:
    """Where `value` is on a scale of `length`; anything above nothing is seen, and nothing leaves the scale."""
    if value <= 0 or full <= 0:
        return 0
    return max(1, min(length, round(length * value / full)))
