"""How a table is laid out in the columns there are, so that no id is broken and every cell can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prreview_cli.cli.folding import cells, folded

GAP = 2
READABLE = 32
"""Columns in which a text may be folded beside the others; in fewer it goes below its row."""
INDENT = "    "

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each column stands: beside the others in its width, or below its row. `room`: columns in all."""

    widths: dict[int, int]
    below: tuple[int, ...]
    room: int

    def record(self, row: Row) -> list[str]:
        """The lines of one row, or of the heading."""
        columns = [folded(row[at], width) for at, width in self.widths.items()]
        lines = []
        for line in range(max(map(len, columns))):
            parts = [part[line] if line < len(part) else "" for part in columns]
            padded = (part + " " * (width - cells(part) + GAP) for part, width in zip(parts, self.widths.values(), strict=True))
            lines.append("".join(padded).rstrip())
        return lines + [INDENT + line for at in self.below if row[at] for line in folded(row[at], max(READABLE, self.room - len(INDENT)))]


def layout(columns: Row, rows: Sequence[Row], room: int | None) -> Layout:
    """Where the columns stand in `room` columns of a terminal; None: each row in one line, however long.

    Where the table is too wide its widest column is folded, if enough is left for that and no word of it is broken; else
    it leaves the table, and its cells stand below their rows.
    """
    widths = {at: max([cells(name), *(cells(row[at]) for row in rows)]) for at, name in enumerate(columns)}
    below: list[int] = []
    while room is not None and len(widths) > 1 and (over := sum(widths.values()) + GAP * (len(widths) - 1) - room) > 0:
        widest = max(widths, key=lambda at: widths[at])
        words = (cells(word) for row in rows for word in row[widest].split())
        if widths[widest] - over >= max([READABLE, *words]):
            widths[widest] -= over
        else:
            del widths[widest]
            below.append(widest)
    return Layout(widths, tuple(sorted(below)), room or 0)
