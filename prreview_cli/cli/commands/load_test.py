"""`prreview load-test`: ten webhooks at once, without a key."""

from __future__ import annotations

import asyncio
import signal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption
from prreview_cli.core.errors import ExitCode, NotYetKept

if TYPE_CHECKING:
    from prreview_cli.trials.load_test import Options
    from prreview_cli.trials.verdict import Result

app = new_app()


class Agent(StrEnum):
    """Who reviews."""

    CLAUDE = "claude"
    SCRIPTED = "scripted"


@app.command(epilog="Example: prreview load-test --burst 10 --workers 4 --duplicates 2")
def load_test(
    burst: Annotated[int, typer.Option(min=1, max=10_000, help="So many pull requests, a webhook each.")] = 10,
    workers: Annotated[int, typer.Option(min=1, max=1_000, help="The bound on reviews in flight.")] = 4,
    duplicates: Annotated[int, typer.Option(min=0, max=1_000, help="Deliver each webhook so many times more.")] = 0,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Webhooks a second. Default: all at once.", show_default=False)] = None,
    agent: Annotated[Agent, typer.Option(help="The real Claude CLI, or a light stand-in for it.")] = Agent.CLAUDE,
    as_json: JsonOption = False,
    report: Annotated[str | None, typer.Option(hidden=True)] = None,
    profile: Annotated[str | None, typer.Option("--profile", "-p", hidden=True)] = None,
    kill_worker: Annotated[bool, typer.Option("--kill-worker", hidden=True)] = False,
    kill_server: Annotated[bool, typer.Option("--kill-server", hidden=True)] = False,
    rounds: Annotated[int | None, typer.Option(hidden=True)] = None,
    shape: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Fire signed webhooks at a real server with real workers, over a simulated model and code host.

    Everything is temporary and on loopback, and no key is needed. Ends with 1 if a promise was broken.
    """
    _refuse(report=report, profile=profile, kill_worker=kill_worker, kill_server=kill_server, rounds=rounds, shape=shape)
    from prreview_cli.cli.output import print_json  # noqa: PLC0415 - with the trial below, this is what the command loads
    from prreview_cli.cli.verdict_view import print_result, say_last_words  # noqa: PLC0415
    from prreview_cli.trials.load_test import Options  # noqa: PLC0415

    try:
        result = asyncio.run(_interruptible(Options(burst, workers, duplicates, rate, agent)))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    if as_json:
        print_json(result.to_json())
    else:
        print_result(result)
    say_last_words(result)
    if result.broken:
        raise typer.Exit(int(ExitCode.BROKEN))


async def _interruptible(options: Options) -> Result:
    """The load test; SIGTERM and a closed terminal end it as Ctrl-C does, with everything stopped and removed."""
    from prreview_cli.cli.live_view import watching  # noqa: PLC0415 - as above
    from prreview_cli.trials.load_test import run  # noqa: PLC0415
    from prreview_cli.wiring import SystemClock  # noqa: PLC0415

    task = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, lambda: task and task.cancel())
    with watching() as view:
        return await run(options, clock=SystemClock(), on_progress=view)


def _refuse(**options: object) -> None:
    """Options of the specification that come with later versions."""
    for name, value in options.items():
        if value is not None and value is not False:
            raise NotYetKept(f"`load-test --{name.replace('_', '-')}` is not in this version yet.")
