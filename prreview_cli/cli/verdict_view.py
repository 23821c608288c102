"""How a load test's result is told to a person: the figures, their course over time, and each promise."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prreview_cli.cli.charts import blocks, evenly, sparkline
from prreview_cli.cli.output import PIPE_WIDTH, print_drawn, safe, say, screen

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from prreview_cli.trials.verdict import Promise, Result

_COURSE = 60


def print_result(result: Result) -> None:
    """Print it on stdout."""
    room = screen(sys.stdout) if sys.stdout.isatty() else PIPE_WIDTH
    acks = result.acks
    figures = f"p50 {acks.p50_ms:.1f} ms, p99 {acks.p99_ms:.1f} ms, max {acks.max_ms:.1f} ms"
    print_drawn(
        _text(f"acknowledged {acks.count}: {figures}; drained in {result.drain_s:.1f} s", ""),
        *_killing(result),
        _courses(result, max(20, min(_COURSE, room - 24)), sys.stdout.encoding),
        promises_table(result.promises),
        outcome("All promises kept.", result.broken),
    )


def _killing(result: Result) -> list[Text]:
    if (killing := result.observed.killing) is None:
        return []
    killed = ", ".join(f"{victim} {count}" for victim, count in killing.kills.items() if count) or "nothing"
    return [_text(f"rounds {killing.rounds}, drawn with --seed {killing.seed}; killed: {killed}", "")]


def outcome(kept: str, broken: Sequence[str]) -> Text:
    """The last line: that all is kept, or what is broken."""
    return _text(f"Broken: {safe(', '.join(broken))}.", "bold red") if broken else _text(kept, "bold green")


def say_last_words(words: Sequence[str]) -> None:
    """What the server complained of, on stderr, if a promise was broken."""
    if words:
        say("\n".join(["The server's last complaints:", *(f"  {line}" for line in words)]))


def _courses(result: Result, width: int, encoding: str) -> Table:
    table = _table()
    drawing, samples = blocks(encoding), result.timeline
    over = samples[-1].t_s
    for label, style, values in (
        ("waiting", "yellow", [(sample.t_s, sample.queued) for sample in samples]),
        ("in flight", "cyan", [(sample.t_s, sample.in_flight) for sample in samples]),
        ("posted", "green", [(sample.t_s, sample.posted) for sample in samples]),
    ):
        most = max(value for _, value in values)
        table.add_row(label, _text(sparkline(evenly(values, width), width, drawing, most), style), f"up to {most}")
    table.add_row("", _text(f"{'0 s':<{width - 8}}{over:6.1f} s", "dim"), "")
    return table


def promises_table(promises: Sequence[Promise]) -> Table:
    """A line for each promise: its name, kept or broken, and the figure."""
    table = _table()
    for promise in promises:
        word = _text("kept", "green") if promise.kept else _text("broken", "bold red")
        table.add_row(promise.name, word, _text(safe(promise.figure), ""))
    return table


def _table() -> Table:
    from rich.table import Table  # noqa: PLC0415 - slow to import

    return Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))


def _text(words: str, style: str) -> Text:
    from rich.text import Text  # noqa: PLC0415 - slow to import

    return Text(words, style)
