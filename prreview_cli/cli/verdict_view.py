"""How a load test's result is told to a person: the figures, their course over time, and each promise."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prreview_cli.cli.charts import blocks, evenly, sparkline
from prreview_cli.cli.output import PIPE_WIDTH, colours, safe, say

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from prreview_cli.trials.verdict import Promise, Result

_COURSE = 60


def print_result(result: Result) -> None:
    """Print it on stdout."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    terminal = sys.stdout.isatty()
    console = Console(
        markup=False,
        highlight=False,
        emoji=False,
        no_color=not colours(sys.stdout),
        width=None if terminal else PIPE_WIDTH,
        soft_wrap=False,
    )
    acks = result.acks
    figures = f"p50 {acks.p50_ms:.1f} ms, p99 {acks.p99_ms:.1f} ms, max {acks.max_ms:.1f} ms"
    console.print(Text(f"acknowledged {acks.count}: {figures}; drained in {result.drain_s:.1f} s"))
    if (killing := result.observed.killing) is not None:
        killed = ", ".join(f"{victim} {count}" for victim, count in killing.kills.items() if count) or "nothing"
        console.print(Text(f"rounds {killing.rounds}, drawn with --seed {killing.seed}; killed: {killed}"))
    console.print()
    console.print(_courses(result, min(_COURSE, console.width - 24), console.encoding))
    console.print()
    console.print(promises_table(result.promises))
    console.print()
    kept = not result.broken
    words = "All promises kept." if kept else f"Broken: {', '.join(result.broken)}."
    console.print(Text(words, "bold green" if kept else "bold red"))


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
