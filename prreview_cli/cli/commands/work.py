"""`prreview work`: the worker pool alone."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from typing import Annotated

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import AgentOption, ProfileOption, UnsandboxedOption
from prreview_cli.cli.output import print_event
from prreview_cli.cli.running import house_of, on_signals
from prreview_cli.core.errors import ExitCode
from prreview_cli.core.ports.agent import AgentKind
from prreview_cli.wiring import Cell, House, cell, crew

app = new_app()

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@app.command(epilog="Example: prreview work -p prod --workers 2")
def work(
    profile: ProfileOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Reviews at once in this process; default: workers.count, which caps all together.")
    ] = None,
    allow_unsandboxed: UnsandboxedOption = False,
    agent: AgentOption = AgentKind.CLAUDE,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the workers alone, on the queue that `serve` fills. SIGTERM drains."""
    if parent is not None and not _follow(parent):
        raise typer.Exit(int(ExitCode.INTERRUPTED))
    house = house_of(profile)
    found = cell(house.profile, allow_unsandboxed=allow_unsandboxed)
    with house.log("work"):
        interrupted = asyncio.run(_work(house, workers or house.profile.workers.count, agent, found))
    if interrupted:
        raise typer.Exit(int(ExitCode.INTERRUPTED))


async def _work(house: House, slots: int, agent: AgentKind, cell: Cell) -> bool:
    received: list[signal.Signals] = []
    async with house.store() as store, crew(house, store, slots=slots, agent=agent, cell=cell) as hands:

        def end(number: signal.Signals) -> None:
            received.append(number)
            hands.pool.end()

        on_signals(end)
        await hands.run(lambda: print_event({"event": "ready", "webhook": None, "ops": None, "workers": slots}))
    return bool(received) and received[0] is signal.SIGINT


def _follow(parent: int) -> bool:
    """Drain when the server that started us is killed; False if it has gone already.

    Reviewing steps back behind the server, whose acknowledgements somebody waits for.
    """
    os.nice(10)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    return os.getppid() == parent
