"""prreview with a hand that kills: `python -I driver.py WORDS`, and its pool is started in the same way.

CRASH_FOLDER holds the orders, one JSON file each, carried out in the order of their names, each once:
`verb` PORT.VERB, `side` before or after, `victim` own, server, worker or both, `about` the type of one of the
arguments, `when` what must be in the queue before the call. Each of a few calls is noted in CRASH_FOLDER/trace.
It imports nothing of the tests.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from prreview_cli.__main__ import main
from prreview_cli.agents.claude import ClaudeAgent
from prreview_cli.agents.scripted import ScriptedAgent
from prreview_cli.cli import pool_process
from prreview_cli.cli.commands import serve
from prreview_cli.core.job import State
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.services import publisher
from prreview_cli.store import rulings
from prreview_cli.store.sqlite.jobs import SqliteJobs
from prreview_cli.store.sqlite.reviews import SqliteReviews
from prreview_cli.store.sqlite.spend import SqliteSpend
from prreview_cli.store.sqlite.switches import SqliteSwitches

FOLDER = Path(os.environ["CRASH_FOLDER"])
ROLE = sys.argv[1]
PORTS: dict[str, tuple[type, ...]] = {
    "jobs": (SqliteJobs,),
    "reviews": (SqliteReviews,),
    "spend": (SqliteSpend,),
    "switches": (SqliteSwitches,),
    "host": (GitHubHost,),
    "agent": (ScriptedAgent, ClaudeAgent),
}
NOTED = {"jobs.begin", "reviews.store"}
Verb = Callable[..., Awaitable[Any]]
depth = SqliteJobs.depth


async def stands(when: str, jobs: Any, now: datetime) -> bool:
    """Whether the queue is as the order wants it."""
    found = await depth(jobs, now)
    match when:
        case "due":
            return found.oldest_due is not None
        case "ripe":
            return found.oldest_due is not None and bool(found.by_state.get(State.SCHEDULED))
        case "running":
            return bool(found.by_state.get(State.RUNNING))
    raise ValueError(when)


def ordered(verb: str) -> tuple[Path, dict[str, Any]] | None:
    """The next order, if it is about this verb."""
    for path in sorted(FOLDER.glob("*.order")):
        try:
            order = json.loads(path.read_text())
        except FileNotFoundError:  # another process has just carried it out
            continue
        return (path, order) if order["verb"] == verb else None
    return None


def carry_out(path: Path, victim: str) -> None:
    """Kill, if nobody else has carried this order out."""
    try:
        path.rename(path.with_suffix(".done"))
    except FileNotFoundError:
        return
    others = {"work": ("server", [os.getppid()]), "serve": ("worker", children())}
    name, pids = others.get(ROLE, ("", []))
    if victim in {name, "both"}:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
    if victim != name:
        os.kill(os.getpid(), signal.SIGKILL)


def children() -> list[int]:
    return [int(pid) for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()]


def watched(verb: str, method: Verb) -> Verb:
    """The method, around which this process may be killed."""

    async def call(*arguments: Any, **named: Any) -> Any:
        found = ordered(verb)
        if found is None or not await meant(found[1], arguments):
            return await noted(verb, method, arguments, named)
        path, order = found
        if order["side"] == "before":
            carry_out(path, order["victim"])
        result = await noted(verb, method, arguments, named)
        if order["side"] == "after":
            carry_out(path, order["victim"])
        return result

    return call


async def meant(order: dict[str, Any], arguments: tuple[Any, ...]) -> bool:
    """Whether the order is about this call."""
    if order["about"] is not None and order["about"] not in {type(each).__name__ for each in arguments}:
        return False
    return order["when"] is None or await stands(order["when"], arguments[0], arguments[-1])


async def noted(verb: str, method: Verb, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """The call; a note of it, if it was of the noted ones, before anything else can happen."""
    result = await method(*arguments, **named)
    if verb in NOTED:
        line = json.dumps({"at": time.monotonic(), "verb": verb, "job": arguments[1].job.id}) + "\n"
        with (FOLDER / "trace").open("a") as trace:
            trace.write(line)
    return result


class HookedPool(pool_process.PoolProcess):
    """The pool's process, started through this file too."""

    def __init__(self, command: Any, *rest: Any, **named: Any) -> None:
        words = command[command.index("prreview_cli") + 1 :]
        super().__init__([sys.executable, "-I", __file__, *words], *rest, **named)


def prepare() -> None:
    """Put the hand to every verb; let nothing that follows a crash take longer than it must."""
    for port, classes in PORTS.items():
        for each in classes:
            for name, method in inspect.getmembers(each, inspect.iscoroutinefunction):
                if not name.startswith("_"):
                    setattr(each, name, watched(f"{port}.{name}", method))
    setattr(serve, "PoolProcess", HookedPool)  # noqa: B010 - mypy knows that a module's names are not for others
    pool_process.RESTART_AFTER_S = (0.0, 0.0, 0.0, 0.0)
    rulings.LOOK_AGAIN = timedelta(seconds=0.3)
    publisher.LOOKS_AFTER_S = (0.0, 1.0)
    vars(os)["nice"] = lambda _: 0  # on a busy machine a pool that steps back takes long to start


if __name__ == "__main__":
    prepare()
    main()
