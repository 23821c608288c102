"""`prreview serve`: the webhook endpoint, and the worker pool in a child process."""

from __future__ import annotations

import asyncio
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
from prreview_cli.cli.pool_process import PoolProcess
from prreview_cli.cli.running import house_of, on_signals
from prreview_cli.cli.whereabouts import announced
from prreview_cli.core.errors import ExitCode, PrreviewError
from prreview_cli.core.ports.agent import AgentKind
from prreview_cli.telemetry.systemd import Systemd
from prreview_cli.wiring import House, cell, listeners

app = new_app()

POOL_STARTS_S = 30.0

PortOption = Annotated[int | None, typer.Option(min=0, max=65535, help="Default: server.port; 0 takes a free one.", show_default=False)]
OpsPortOption = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Default: server.ops_port; 0 takes a free one.", show_default=False)
]


@app.command(epilog="Example: prreview serve -p prod")
def serve(
    profile: ProfileOption = None,
    port: PortOption = None,
    ops_port: OpsPortOption = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Reviews at once here; 0 leaves them to `prreview work`. Default: workers.count.")
    ] = None,
    allow_unsandboxed: UnsandboxedOption = False,
    agent: AgentOption = AgentKind.CLAUDE,
) -> None:
    """Receive webhooks and review the pull requests they name. SIGTERM drains."""
    step_back()
    house = house_of(profile)
    slots = house.profile.workers.count if workers is None else workers
    if slots:
        cell(house.profile, allow_unsandboxed=allow_unsandboxed)
    pool = _pool(house, slots, agent, allow_unsandboxed) if slots else None
    ports = (house.profile.server.port if port is None else port, house.profile.server.ops_port if ops_port is None else ops_port)
    with house.log("serve"):
        interrupted = asyncio.run(_serve(house, pool, slots, *ports))
    if interrupted:
        raise typer.Exit(int(ExitCode.INTERRUPTED))


async def _serve(house: House, pool: PoolProcess | None, slots: int, port: int, ops_port: int) -> bool:
    received: list[signal.Signals] = []
    systemd = Systemd.of(os.environ)
    told = asyncio.Event()

    def end(number: signal.Signals) -> None:
        if received and pool is not None:
            pool.hurry()
        if not received:
            systemd.stopping()
        received.append(number)
        told.set()

    on_signals(end)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(house.store(accepting=True))
        await store.check_writable()
        webhook, ops = await stack.enter_async_context(listeners(house, store, port, ops_port))
        if pool is not None:
            try:
                await pool.start()
            except PrreviewError:
                if not received:  # else it was told to end while it started, and did
                    raise
            stack.push_async_callback(pool.stop)
            watching = asyncio.create_task(pool.watch())
            watching.add_done_callback(lambda _: told.set())
            stack.callback(watching.cancel)
        stack.enter_context(announced(house.state, webhook))
        print_event({"event": "ready", "webhook": webhook, "ops": ops, "workers": slots})
        systemd.ready()
        alive = asyncio.create_task(systemd.watch(house.clock))
        stack.callback(alive.cancel)
        await told.wait()
        if pool is not None:
            if watching.done():
                watching.result()  # a fault: nobody would start the pool again, so this server ends, and says why
            # Deliveries are still accepted while the pool drains: a host does not deliver again by itself.
            await pool.stop()
    return received[0] is signal.SIGINT


def _pool(house: House, slots: int, agent: AgentKind, allow_unsandboxed: bool) -> PoolProcess:
    options = ["--profile", str(house.profile.path), "--workers", str(slots), "--agent", agent.value, "--parent", str(os.getpid())]
    if allow_unsandboxed:
        options.append("--allow-unsandboxed")
    # -P: nothing is imported from the working directory.
    command = [sys.executable, "-P", "-m", "prreview_cli", "work", *options]
    return PoolProcess(command, house.clock, start_s=POOL_STARTS_S, drain_s=house.profile.workers.drain_s)
