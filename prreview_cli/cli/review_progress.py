"""How a review in the foreground is shown while it runs: one live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prreview_cli.cli.output import colours, safe, say
from prreview_cli.core.ports.agent import Progress
from prreview_cli.core.review import Usage

_DOING = {
    "list_files": "lists files",
    "read_file": "reads",
    "search": "searches for",
    "read_diff": "reads the diff of",
    "submit_review": "hands in the review",
    "confirm_findings": "confirms its findings",
}


@dataclass(frozen=True, slots=True)
class Watcher:
    """`told`: a sentence for the person who waits; `stepped`: what the agent does now, and what was used so far."""

    told: Callable[[str], None]
    stepped: Callable[[Progress, Usage], None]


@contextmanager
def watching() -> Iterator[Watcher]:
    """The watcher that fits what stderr is."""
    if not colours(sys.stderr):
        yield Watcher(say, lambda step, usage: say(line(step, usage)))
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    with console.status(Text("Getting the commits, the agent and the model's first answer.")) as status:

        def told(text: str) -> None:
            console.print(Text(safe(text)))

        def stepped(step: Progress, usage: Usage) -> None:
            status.update(Text(safe(line(step, usage)), overflow="ellipsis", no_wrap=True))

        yield Watcher(told, stepped)


def line(step: Progress, usage: Usage) -> str:
    """What the agent does, and what it has cost so far."""
    doing = _DOING.get(step.tool, f"calls {step.tool}")
    if step.tool in {"list_files", "submit_review"} or step.detail:
        what = f"{doing} {step.detail}".rstrip() if step.tool != "submit_review" else doing
    else:
        what = "reads the whole diff" if step.tool == "read_diff" else doing
    return f"The agent {what} (turn {usage.model_calls}, {usage.usd:.4f} USD so far)."
