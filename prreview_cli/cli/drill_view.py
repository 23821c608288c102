"""How a drill is shown: the checks as they come to their end, and their figures afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prreview_cli.cli.live_view import cell_lacks
from prreview_cli.cli.output import colours, print_drawn, say
from prreview_cli.cli.verdict_view import outcome, promises_table

if TYPE_CHECKING:
    from rich.console import Group

    from prreview_cli.trials.drill import Drilled, Progress

MEANING = {
    "burst": "ten webhooks at once",
    "duplicate": "the same webhook again",
    "revoked-key": "a key revoked in the middle",
    "leak": "failing calls that echo the key",
}
View = Callable[["Progress"], None]


@contextmanager
def watching() -> Iterator[View]:
    """The view that fits what stderr is: a live one on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Lines()
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.live import Live  # noqa: PLC0415

    console = Console(stderr=True, markup=False, highlight=False, emoji=False, no_color=not colours(sys.stderr))
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda progress: live.update(picture(progress), refresh=True)


class Lines:
    """Plain lines on stderr: what is begun, and how it ended."""

    def __init__(self) -> None:
        self._begun, self._current, self._done = False, "", 0

    def __call__(self, progress: Progress) -> None:
        if not self._begun:
            self._begun = True
            say(told(progress))
            for sentence in cell_lacks(progress.missing):
                say(sentence)
            say("starting the server …")
        for promise in progress.done[self._done :]:
            say(f"{progress.seconds:6.1f} s  {promise.name}: {'kept' if promise.kept else 'broken'}")
        self._done = len(progress.done)
        if progress.current != self._current:
            self._current = progress.current
            say(f"{progress.seconds:6.1f} s  {self._current}: {MEANING[self._current]} …" if self._current else "removing everything …")


def told(progress: Progress) -> str:
    """What is done, in a line."""
    agent = "the real Claude CLI" if progress.agent == "claude" else "the scripted agent"
    number = len(progress.checks)
    return f"{number} check{'' if number == 1 else 's'} · {agent}, model and host simulated"


def picture(progress: Progress) -> Group:
    """The live view: each check with its mark, and what goes on."""
    from rich.console import Group  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    words = {promise.name: ("kept", "green") if promise.kept else ("broken", "bold red") for promise in progress.done}
    rows = []
    for name in progress.checks:
        word, style = words.get(name, ("running", "cyan") if name == progress.current else ("waiting", "dim"))
        rows.append(Text.assemble(f"{name:<13}", (f"{word:<9}", style), (MEANING[name], "dim"), overflow="ellipsis", no_wrap=True))
    return Group(
        Text.assemble(("drill  ", "bold"), told(progress), overflow="ellipsis", no_wrap=True),
        *(Text(sentence, "yellow") for sentence in cell_lacks(progress.missing)),
        Text(""),
        *rows,
        Text(""),
        Text(f"{progress.seconds:.1f} s   in flight {progress.in_flight}   posted {progress.posted}", "dim"),
    )


def print_drilled(drilled: Drilled) -> None:
    """The result, on stdout: a line for each check."""
    print_drawn(promises_table(drilled.promises), outcome(f"All kept, in {drilled.seconds:.0f} s.", drilled.broken))
