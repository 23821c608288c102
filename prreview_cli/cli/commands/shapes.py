"""`prreview shapes`: the four ways to run it, side by side."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption
from prreview_cli.cli.output import READABLE, print_json, print_text
from prreview_cli.cli.wrapping import labelled, width

app = new_app()


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to run the reviewer. Every field is a sentence for the comparison, `commands` are to be typed as they stand."""

    name: str
    trigger: str
    latency: str
    concurrency: str
    under_load: str
    secrets: str
    best_for: str
    commands: tuple[str, ...]
    recommended: bool = False


SHAPES = (
    Shape(
        name="sync: the caller waits",
        trigger="A person or a CI step runs the command, and waits for its exit code.",
        latency="The review itself, one to a few minutes, and nothing before it.",
        concurrency="One review a process, and never more than workers.count of the profile where they share its database. "
        "CI runners share none: there the number of runners is the bound.",
        under_load="Callers wait for a slot, then for the model. A caller that gives up leaves nothing behind.",
        secrets="With the caller: the laptop's keyring, or the CI's secret store, as variables of that one step.",
        best_for="A gate in CI, a look at one pull request.",
        commands=("prreview review octo/demo#12 -p ci --fail-on error", "prreview review --local main..HEAD -p dev"),
    ),
    Shape(
        name="queue and workers: answer now, review soon",
        trigger="A webhook. It is stored, acknowledged in milliseconds, and worked off beside.",
        latency="Seconds until a worker is free, then the review.",
        concurrency="workers.count, over all processes on one queue together; a flood from one repository does not hold up the others.",
        under_load="The queue grows and nothing is lost: deliveries are still acknowledged, a newer push replaces what waits, "
        "rate limits are waited out.",
        secrets="On one machine, handed to the service by systemd (LoadCredential) or kept in its keyring. The agent never has them.",
        best_for="A team's steady stream of pull requests. The default.",
        commands=("prreview serve -p prod", "prreview work -p prod --workers 2"),
        recommended=True,
    ),
    Shape(
        name="cron: on a timer",
        trigger="The clock. A sweep finds open pull requests whose head has no review; a digest sums up a week.",
        latency="Up to one interval of the timer.",
        concurrency="A sweep only fills the queue; its workers keep their bound.",
        under_load="A sweep that finds much queues much, once each: what is reviewed or waits already is not queued again.",
        secrets="Where the queue's are: the timer runs as the same user on the same machine.",
        best_for="The net under lost webhooks, nightly batches, the weekly summary.",
        commands=("prreview sweep -p prod", "prreview digest -p prod"),
    ),
    Shape(
        name="serverless: a short-lived job",
        trigger="A platform starts a job by event or by clock; it empties the queue and ends.",
        latency="The start of a container and about two seconds of ours, then the review.",
        concurrency="workers.count for the jobs that share one database. The platform's own cap must count too: set it to 1 job.",
        under_load="What a job does not reach stays queued for the next one. A job that is killed loses nothing: the next takes it up.",
        secrets="In the platform's secret store, given to each job as variables or mounted files, and gone with it.",
        best_for="Few reviews in bursts, where no process should run in between. The database must outlive the job, on a local disk.",
        commands=("prreview work -p prod --until-empty --max-jobs 20",),
    ),
)

_ROWS = {
    "trigger": "Trigger",
    "latency": "Latency",
    "concurrency": "Concurrency",
    "under_load": "Under load",
    "secrets": "Secrets",
    "best_for": "Best for",
}


@app.command(epilog="Example: prreview shapes --markdown")
def shapes(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, as it stands in docs/reference/shapes.md.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the four ways to run it, each with its command. Needs no profile."""
    if as_json:
        print_json({"shapes": [asdict(shape) for shape in SHAPES]})
    elif markdown:
        print_text(_markdown())
    else:
        print_text("\n\n".join(_card(shape, min(width(), READABLE)) for shape in SHAPES))


def _card(shape: Shape, columns: int) -> str:
    title = labelled("", f"{shape.name}{' (recommended)' if shape.recommended else ''}".upper(), columns)
    rows = [labelled(f"  {label:<13}", getattr(shape, key), columns) for key, label in _ROWS.items()]
    return "\n".join([title, *rows, *(f"  {'Command' if not number else '':<13}{each}" for number, each in enumerate(shape.commands))])


def _markdown() -> str:
    """A table with a column a shape: the comparison reads across."""
    lines = [
        "# The four shapes",
        "",
        "<!-- Written by `prreview shapes --markdown`. -->",
        "",
        "One reviewing core serves all four. None of them keeps anything important in a process: any of them may be killed at",
        "any moment, and what was accepted is in the database, what was posted on the code host.",
        "",
        "| | " + " | ".join(f"**{shape.name}**{' (recommended)' if shape.recommended else ''}" for shape in SHAPES) + " |",
        "|---" * (len(SHAPES) + 1) + "|",
        *(f"| **{label}** | " + " | ".join(getattr(shape, key) for shape in SHAPES) + " |" for key, label in _ROWS.items()),
        "| **Command** | " + " | ".join("<br>".join(f"`{each}`" for each in shape.commands) for shape in SHAPES) + " |",
    ]
    return "\n".join(lines)
