"""Work that is either done or cleanly stopped: Ctrl-C, SIGTERM and a closed terminal let it clean up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

Outcome = TypeVar("Outcome")


def run_whole(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """What the work comes to; KeyboardInterrupt if it was ended, after it has cleaned up."""
    try:
        return asyncio.run(_interruptible(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _interruptible(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    task = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, lambda: task and task.cancel())
    return await work
