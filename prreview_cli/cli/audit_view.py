"""How an audit is shown: a line that moves on a terminal, now and then a plain line elsewhere, and tables in the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prreview_cli.cli.output import colours, print_table, print_text, safe, say
from prreview_cli.core.ports.clock import Clock

if TYPE_CHECKING:
    from prreview_cli.audit import Finding, Report, Search

Show = Callable[[str], None]

_DRAW_EVERY_S, _LINE_EVERY_S = 0.1, 5.0


@contextmanager
def watching(search: Search, clock: Clock) -> Iterator[None]:
    """Show how far the search is, in the way that fits what stderr is."""
    report, started = search.report, clock.monotonic()
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        search.on_progress = _seldom(clock, _LINE_EVERY_S, lambda source: say(f"{_rate(report, clock.monotonic() - started)}  {source}"))
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True, markup=False, highlight=False, emoji=False, no_color=not colours(sys.stderr))
    with Live(console=console, auto_refresh=False, transient=True) as live:

        def draw(source: str) -> None:
            found = f"  {len(report.findings)} found" if report.findings else ""
            rate = _rate(report, clock.monotonic() - started)
            line = Text.assemble((f"{rate}", "cyan"), (found, "bold red"), f"  {safe(source)}", overflow="ellipsis", no_wrap=True)
            live.update(line, refresh=True)

        search.on_progress = _seldom(clock, _DRAW_EVERY_S, draw)
        yield


def print_report(report: Report) -> None:
    """Findings, and what was not wholly searched, as tables; nothing where there is neither."""
    if report.findings:
        print_table(("place", "byte", "secret", "environment", "encoding"), map(_row, report.findings))
    if report.findings and report.not_scanned:
        print_text("")
    if report.not_scanned:
        print_table(("not wholly searched", "why"), ((gap.source, gap.reason) for gap in report.not_scanned))


def said(report: Report, seconds: float) -> str:
    """The outcome in a sentence or two, with what to do next."""
    sources = f"{report.sources} source{'' if report.sources == 1 else 's'}"
    lines = [f"Searched {sources}, {_rate(report, seconds)}, in {seconds:.1f} s: {_outcome(report)}"]
    if report.findings:
        lines.append("What is named here has leaked: rotate it first, then remove it from these places (docs/how-to/audit.md).")
    return "\n".join(lines)


def _outcome(report: Report) -> str:
    found = f"{len(report.findings)} finding{'' if len(report.findings) == 1 else 's'}" if report.findings else "no secret found"
    gaps = f", but {len(report.not_scanned)} not wholly searched" if report.not_scanned else ""
    accepted = f", {report.accepted} accepted in the baseline" if report.baseline else ""
    return f"{found}{accepted}{gaps}."


def _row(finding: Finding) -> tuple[str, ...]:
    place = f"{finding.source}:{finding.line}"
    return place, str(finding.offset), finding.name, finding.environment or "", finding.encoding or "a token's shape"


def _rate(report: Report, seconds: float) -> str:
    return f"{_size(report.scanned_bytes)} at {_size(report.scanned_bytes / seconds if seconds > 0 else 0)}/s"


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1_000:
            return f"{count:.{0 if unit == 'bytes' else 1}f} {unit}"
        count /= 1_000
    return f"{count:.2f} GB"


def _seldom(clock: Clock, every_s: float, show: Show) -> Show:
    """Show no more often than that, and not before the first pause."""
    last = clock.monotonic()

    def maybe(source: str) -> None:
        nonlocal last
        if clock.monotonic() - last >= every_s:
            last = clock.monotonic()
            show(source)

    return maybe
