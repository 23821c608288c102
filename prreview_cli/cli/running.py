"""Running an asynchronous verb in this process, with the parts of its profile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from signal import SIGINT, SIGTERM, Signals
from typing import Any, TypeVar

from prreview_cli.core.ports.store import Store
from prreview_cli.settings import load_profile
from prreview_cli.telemetry import harden_process, logger
from prreview_cli.telemetry.hooks import watch_loop
from prreview_cli.wiring import House, SystemClock

Result = TypeVar("Result")


def house_of(profile: str | None) -> House:
    """The parts of the chosen profile, in a process that gives no secret away."""
    harden_process()
    return House(load_profile(profile), SystemClock())


def with_store(house: House, work: Callable[[Store], Coroutine[Any, Any, Result]], *, must_exist: bool = True) -> Result:
    """Run `work` on the profile's database; StoreUnusable if there is none and there must be one."""

    async def run() -> Result:
        async with house.store(must_exist=must_exist) as store:
            return await work(store)

    return asyncio.run(run())


def on_signals(handle: Callable[[Signals], None]) -> None:
    """Call `handle` at each SIGTERM and SIGINT, and lead what the running loop reports into the log."""
    loop = asyncio.get_running_loop()
    watch_loop(loop, logger("process"))
    for signal in (SIGTERM, SIGINT):
        loop.add_signal_handler(signal, handle, signal)
