"""`prreview work`: the worker pool alone."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from contextlib import AsyncExitStack
from typing import Annotated

import typer

from prreview_cli.cli.first_process import step_back
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import AgentOption, ProfileOption, UnsandboxedOption
from prreview_cli.cli.output import print_event
from prreview_cli.cli.running import house_of, on_signals
from prreview_cli.core.errors import ExitCode
from prreview_cli.core.ports.agent import AgentKind
from prreview_cli.services.pool import Stint
from prreview_cli.telemetry.systemd import Systemd
from prreview_cli.wiring import Cell, House, cell, crew, ops_listener

app = new_app()

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SERVER_ENDED = signal.SIGUSR1
"""Linux sends it anew for each thread of the server that ends (forget_original_parent in kernel/exit.c): a kill is told up to
as often as the server has threads. So it is not SIGTERM, whose second one hurries."""


@app.command(epilog="Example: prreview work -p prod --workers 2\nExample: prreview work -p prod --until-empty --max-jobs 20")
def work(
    profile: ProfileOption = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Reviews at once in this process; default: workers.count, which caps all together.")
    ] = None,
    until_empty: Annotated[
        bool,
        typer.Option(
            "--until-empty", help="End once nothing is due or running; what is scheduled for later stays. A pause ends it with 4."
        ),
    ] = False,
    max_jobs: Annotated[int | None, typer.Option(min=1, help="Take so many jobs at most, finish them and end.", show_default=False)] = None,
    ops_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Show /readyz, /metrics and the page on this loopback port; 0 takes a free one.")
    ] = None,
    allow_unsandboxed: UnsandboxedOption = False,
    agent: AgentOption = AgentKind.CLAUDE,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the workers alone, on the queue that `serve` fills. SIGTERM drains."""
    step_back()
    if parent is not None and not _follow(parent):
        raise typer.Exit(int(ExitCode.INTERRUPTED))
    house = house_of(profile)
    found = cell(house.profile, allow_unsandboxed=allow_unsandboxed)
    with house.log("work"):
        interrupted = asyncio.run(
            _work(house, workers or house.profile.workers.count, agent, found, stint=Stint(until_empty, max_jobs), ops_port=ops_port)
        )
    if interrupted:
        raise typer.Exit(int(ExitCode.INTERRUPTED))


async def _work(house: House, slots: int, agent: AgentKind, cell: Cell, *, stint: Stint, ops_port: int | None) -> bool:
    received: list[signal.Signals] = []
    systemd = Systemd.of(os.environ)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(house.store())
        ops = None if ops_port is None else await stack.enter_async_context(ops_listener(house, store, ops_port))
        hands = await stack.enter_async_context(crew(house, store, slots=slots, agent=agent, cell=cell, stint=stint))

        def end(number: signal.Signals) -> None:
            if not received:
                systemd.stopping()
            received.append(number)
            hands.pool.end()

        def ready() -> None:
            print_event({"event": "ready", "webhook": None, "ops": ops, "workers": slots})
            systemd.ready()

        on_signals(end)
        asyncio.get_running_loop().add_signal_handler(_SERVER_ENDED, lambda: None if received else end(_SERVER_ENDED))
        alive = asyncio.create_task(systemd.watch(house.clock))
        stack.callback(alive.cancel)
        await hands.run(ready)
    return bool(received) and received[0] is signal.SIGINT


def _follow(parent: int) -> bool:
    """Drain when the server that started us is killed; False if it has gone already.

    Reviewing steps back behind the server, whose acknowledgements somebody waits for.
    """
    os.nice(10)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SERVER_ENDED, 0, 0, 0)
    return os.getppid() == parent
