"""Running a trial from the command line: Ctrl-C, SIGTERM and a closed terminal all stop and remove everything."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer

Outcome = TypeVar("Outcome")


class Agent(StrEnum):
    """Who reviews."""

    CLAUDE = "claude"
    SCRIPTED = "scripted"


TrialAgentOption = Annotated[Agent, typer.Option(help="The real Claude CLI, or a light stand-in for it.")]


def run_trial(trial: Coroutine[Any, Any, Outcome]) -> Outcome:
    """What the trial comes to; KeyboardInterrupt if it was ended, after it has cleaned up."""
    try:
        return asyncio.run(_interruptible(trial))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _interruptible(trial: Coroutine[Any, Any, Outcome]) -> Outcome:
    task = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, lambda: task and task.cancel())
    return await trial
