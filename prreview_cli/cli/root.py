"""The `prreview` command: which verbs there are. A verb's module is imported only when it is run."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from prreview_cli import __version__
from prreview_cli.cli.frame import new_app, told_in_sentences
from prreview_cli.cli.help import Group
from prreview_cli.telemetry.hooks import guard_process

COMMANDS = {
    "serve": "Receive webhooks and review the pull requests they name.",
    "work": "Run the workers alone, on the queue that `serve` fills.",
    "review": "Review one pull request now, and wait for it.",
    "enqueue": "Queue one pull request by hand.",
    "load-test": "Fire webhooks at real processes; needs no key.",
    "replay-webhook": "Deliver a stored webhook or a file again, or many times.",
    "drill": "Prove four promises against real processes; needs no key.",
    "status": "Show the queue, reviews in flight, pauses, today's spend.",
    "jobs": "List, show, retry and cancel jobs, the dead ones too.",
    "why": "Tell everything that happened to one pull request.",
    "audit-logs": "Search logs for the profile's secrets, in every encoding.",
    "pause": "Stop all model calls and posts of a profile.",
    "resume": "End a pause, once host and model accept the secrets.",
    "sweep": "Queue the open pull requests whose head has no review.",
    "digest": "Summarize a week of reviews: findings, cost, latency.",
    "profile": "Create, show, check and change profiles.",
    "secret": "Put secrets into the keyring, and list or remove them.",
    "doctor": "Check everything a profile needs, each with its remedy.",
    "shapes": "Compare the four ways to run it, each with its command.",
}
"""To add a verb: its line here, and its file in `commands/`."""


class Root(Group):
    """Lists the verbs without importing them, and imports the one that is run."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, line in COMMANDS.items():
            self.add_command(TyperCommand(name=name, help=line, rich_markup_mode=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and load(name), rest

    def make_context(self, *words: Any, **settings: Any) -> Any:
        with told_in_sentences():
            return super().make_context(*words, **settings)

    def invoke(self, ctx: Any) -> Any:
        with told_in_sentences():
            return super().invoke(ctx)


def load(name: str) -> Any:
    """The command behind a verb, from the module of its name."""
    module = import_module(f"prreview_cli.cli.commands.{name.replace('-', '_')}")
    command = get_command(module.app)
    command.name = name
    return command


app = new_app()
app.info.cls = Root


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"prreview {__version__}")
        raise typer.Exit


@app.callback(epilog="Try it without a key: prreview load-test --burst 10")
def prreview(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Review pull requests with Claude: once each, at a bounded cost, and without a secret leaving."""


def run() -> None:
    """Run the command line that the process was started with; ends by SystemExit."""
    guard_process()
    get_command(app)(prog_name="prreview")
