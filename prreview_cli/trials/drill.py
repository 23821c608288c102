"""`drill`: four checks against one real server with real workers, over a simulated model and code host.

Everything is temporary and on loopback, and no key is needed. Each check is judged by what the simulators
saw and by what is left on disk; what the server says of itself only tells when to stop waiting.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from prreview_cli.core.ports.clock import Clock
from prreview_cli.trials.checks import burst, duplicate, leak, revoked_key
from prreview_cli.trials.checks.scene import PATIENCE_S, Scene
from prreview_cli.trials.last_words import last_words
from prreview_cli.trials.server_process import PRREVIEW
from prreview_cli.trials.stand import Stand, missing_layers
from prreview_cli.trials.verdict import Promise

SCHEMA_VERSION = 1
WORKERS = 4


@dataclass(frozen=True, slots=True)
class Check:
    """A check, and how many pull requests of its own it needs."""

    pulls: int
    run: Callable[[Scene, Sequence[int]], Awaitable[Promise]]


CHECKS: Mapping[str, Check] = {module.NAME: Check(module.PULLS, module.check) for module in (burst, duplicate, revoked_key, leak)}
"""In the order in which they are made: the search comes last, over what all the others left."""


@dataclass(slots=True)
class Progress:
    """How far it is, for whoever watches; the same object each time. `done` grows; `current` is "" between checks."""

    agent: str
    checks: tuple[str, ...]
    missing: tuple[str, ...] = ()
    current: str = ""
    in_flight: int = 0
    posted: int = 0
    seconds: float = 0.0
    done: list[Promise] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Drilled:
    """A drill that went to its end. `last_words` are the server's complaints, where a check was broken."""

    agent: str
    promises: tuple[Promise, ...]
    seconds: float
    last_words: tuple[str, ...] = ()

    @property
    def broken(self) -> tuple[str, ...]:
        """The names of the checks that were broken."""
        return tuple(promise.name for promise in self.promises if not promise.kept)

    def to_json(self) -> dict[str, Any]:
        """A stable schema: each check with its verdict and figure."""
        return {
            "schema_version": SCHEMA_VERSION,
            "agent": self.agent,
            "workers": WORKERS,
            "checks": [{"name": one.name, "verdict": "kept" if one.kept else "broken", "figure": one.figure} for one in self.promises],
            "seconds": self.seconds,
            "verdict": "broken" if self.broken else "kept",
            "broken": list(self.broken),
        }


async def run(
    checks: Collection[str],
    agent: str,
    *,
    clock: Clock,
    on_progress: Callable[[Progress], None],
    program: Sequence[str] = PRREVIEW,
    patience_s: float = PATIENCE_S,
) -> Drilled:
    """Make these checks. TrialFailed if the server does not begin or dies. Leaves nothing behind, also when cancelled.

    `program` is the command that `serve` and `resume` are put behind.
    """
    chosen = tuple(name for name in CHECKS if name in checks)
    progress, begun = Progress(agent, chosen, await missing_layers()), clock.monotonic()
    with tempfile.TemporaryDirectory(prefix="prreview-drill-", ignore_cleanup_errors=True) as folder:
        async with AsyncExitStack() as stack:
            stand = Stand(Path(folder), clock, agent, remember=True)

            def look() -> None:
                progress.in_flight, progress.posted = stand.activity.in_flight_now(), stand.activity.posted_now()
                progress.seconds = clock.monotonic() - begun
                on_progress(progress)

            look()
            await stand.open(stack, sum(CHECKS[name].pulls for name in chosen))
            tables = {"state": {"log_level": "debug"}}  # so that what is searched is all that can be logged
            await stand.serve(stack, workers=WORKERS, tables=tables, allow_unsandboxed=bool(progress.missing), command=[*program, "serve"])
            scene, numbers = Scene(stand, WORKERS, look, program, patience_s), count(1)
            stand.model.script = scene.script
            for name in chosen:
                progress.current = name
                look()
                progress.done.append(await CHECKS[name].run(scene, list(islice(numbers, CHECKS[name].pulls))))
            progress.current = ""
            look()
        result = Drilled(agent, tuple(progress.done), round(clock.monotonic() - begun, 3))
        return replace(result, last_words=last_words(Path(folder))) if result.broken else result
