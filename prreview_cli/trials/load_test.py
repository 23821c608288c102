"""`load-test`: signed webhooks at a real server with real workers, over a simulated model and code host.

Everything is temporary and on loopback, and no key is needed. The verdict rests on what the simulators
and the sender of the webhooks saw; the server's own gauges only draw the depth of its queue and say
when nothing is to come any more.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Self

from prreview_cli.core.ports.clock import Clock
from prreview_cli.trials import gauges
from prreview_cli.trials.burst import Ack, Shot, fire
from prreview_cli.trials.gauges import Gauges
from prreview_cli.trials.last_words import last_words
from prreview_cli.trials.limits import OWN, Limits
from prreview_cli.trials.server_process import SERVE
from prreview_cli.trials.simulators.github_routes import REVIEW_POSTED
from prreview_cli.trials.stand import Stand, missing_layers, name_of
from prreview_cli.trials.verdict import Observed, Result, Sample, judge

LOOK_S = 0.1
QUIET_LOOKS = 3
"""How often the gauges are read, and how often they must say that nothing goes on before that is believed."""
PATIENCE_S, PATIENCE_A_REVIEW_S = 60.0, 30.0
"""How long a drain may take before the trial gives up on it: at least, and more for each turn of the workers."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to fire: `burst` pull requests, each delivered `duplicates` times more, all at once or `rate` a second."""

    burst: int = 10
    workers: int = 4
    duplicates: int = 0
    rate: float | None = None
    agent: str = "claude"
    limits: Limits = OWN

    @property
    def bound(self) -> int:
        """How many reviews may be in flight at once: all are of one repository, which may have a cap of its own."""
        return min(self.workers, self.limits.per_repository or self.workers)


@dataclass(slots=True)
class Progress:
    """How far it is, for whoever watches; the same object each time. `missing` are the layers of the cell that
    this machine lacks. `acks` and `samples` grow."""

    options: Options
    missing: tuple[str, ...] = ()
    phase: str = "setting up"
    acks: list[Ack] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


async def run(options: Options, *, clock: Clock, on_progress: Callable[[Progress], None], server: Sequence[str] = SERVE) -> Result:
    """Make the trial. TrialFailed if the server does not begin or dies. Leaves nothing behind, also when cancelled.

    `server` is the command that `serve`'s arguments are put behind.
    """
    progress = Progress(options, await missing_layers())
    with tempfile.TemporaryDirectory(prefix="prreview-load-test-", ignore_cleanup_errors=True) as folder:
        async with AsyncExitStack() as stack:
            trial = await _Trial(Path(folder), progress, clock, on_progress).begin(stack, server)
            return await trial.run()


class _Trial:
    """One load test, from the simulators' start to the server's end."""

    def __init__(self, folder: Path, progress: Progress, clock: Clock, on_progress: Callable[[Progress], None]) -> None:
        self._folder, self._progress, self._clock, self._tell = folder, progress, clock, on_progress
        self._options = progress.options
        self._stand = Stand(folder, clock, self._options.agent)
        self._begun = self._last_ack = 0.0
        self._looks: list[tuple[float, Gauges | None]] = []

    async def begin(self, stack: AsyncExitStack, server: Sequence[str]) -> Self:
        """Start the simulators and the server; the stack ends them."""
        self._phase("setting up")
        await self._stand.open(stack, self._options.burst)
        self._phase("starting the server")
        await self._stand.serve(
            stack,
            workers=self._options.workers,
            tables=self._options.limits.tables,
            allow_unsandboxed=bool(self._progress.missing),
            command=server,
        )
        return self

    async def run(self) -> Result:
        """Fire, wait until all is drained, end the server, judge."""
        shots = list(self._shots())
        self._phase("firing")
        await gauges.read(self._stand.server.ready.ops)  # the first reading loads what it needs; not while acknowledgements are timed
        self._begun = self._clock.monotonic()
        self._looks.append((self._begun, Gauges(0, 0, paused=False)))
        firing = asyncio.create_task(fire(self._stand.server.ready.webhook, shots, self._options.rate, self._clock, self._acknowledged))
        try:
            acks = await self._watch(firing)
        finally:
            firing.cancel()
        drain_s = max(0.0, (self._stand.activity.last_post or self._last_ack) - self._last_ack)
        self._phase("stopping the server")
        exit_code = await self._stand.server.drain()
        observed = self._observed(len(shots), acks, exit_code)
        result = Result(self._options.agent, observed, tuple(self._timeline()), round(drain_s, 3), judge(observed))
        return replace(result, last_words=last_words(self._folder)) if result.broken else result

    # -- firing --------------------------------------------------------------------------------------

    def _shots(self) -> Iterator[Shot]:
        """All pull requests, then all again: every second repetition under an id of its own, as no redelivery would be."""
        firsts = {number: self._stand.delivery(number) for number in range(1, self._options.burst + 1)}
        for repetition in range(self._options.duplicates + 1):
            for number, first in firsts.items():
                again = first if repetition % 2 == 0 else self._stand.again(first)
                yield Shot(name_of(number), again)

    # -- watching ------------------------------------------------------------------------------------

    async def _watch(self, firing: asyncio.Task[list[Ack]]) -> list[Ack]:
        """Look again and again until nothing is to come any more; the acknowledgements."""
        quiet, rounds = 0, -(-self._options.burst // self._options.bound)
        while quiet < QUIET_LOOKS:
            await self._clock.sleep(LOOK_S)
            if self._stand.server.died:
                raise self._stand.server.failed("The server ended by itself in the midst of the trial.")
            seen = await self._look()
            if firing.done():
                self._progress.phase = "draining"
                quiet = quiet + 1 if self._is_over(seen, firing.result()) else 0
                if self._clock.monotonic() > self._last_ack + PATIENCE_S + PATIENCE_A_REVIEW_S * rounds:
                    break
        return await firing

    def _acknowledged(self, ack: Ack) -> None:
        self._last_ack = self._clock.monotonic()
        self._progress.acks.append(ack)

    async def _look(self) -> Gauges | None:
        at, seen = self._clock.monotonic(), await gauges.read(self._stand.server.ready.ops)
        self._looks.append((at, seen))
        waiting = seen.waiting if seen else 0
        self._progress.samples.append(
            Sample(round(at - self._begun, 3), waiting, self._stand.activity.in_flight_now(), self._stand.activity.posted_now())
        )
        self._tell(self._progress)
        return seen

    def _is_over(self, seen: Gauges | None, acks: list[Ack]) -> bool:
        posted = {name_of(review.number) for review in self._stand.host.reviews()}
        if seen is None:
            return {ack.review for ack in acks if ack.accepted} <= posted
        return seen.idle or seen.paused

    # -- judging -------------------------------------------------------------------------------------

    def _observed(self, deliveries: int, acks: list[Ack], exit_code: int) -> Observed:
        return Observed(
            workers=self._options.workers,
            per_repository=self._options.limits.per_repository,
            calls_per_review=self._options.limits.calls_per_review,
            reviews=tuple(name_of(number) for number in self._stand.hosted.pulls),
            deliveries=deliveries,
            acks=tuple(acks),
            posted=tuple(name_of(review.number) for review in self._stand.host.reviews()),
            peak_in_flight=self._stand.activity.peak(),
            peak_model_calls=self._stand.model.peak_in_flight,
            refused=sum(seen.route == REVIEW_POSTED and seen.status == 422 for seen in self._stand.host.requests),
            strayed=(*(f"{seen.method} {seen.path}" for seen in self._stand.host.requests if not seen.route), *self._stand.model.elsewhere),
            exit_code=exit_code,
        )

    def _timeline(self) -> Iterator[Sample]:
        """The looks, with what is known of them afterwards; of equal ones in a row, the first and the last."""
        course = self._stand.activity.course([at for at, _ in self._looks])
        samples = [
            Sample(round(at - self._begun, 3), seen.waiting if seen else 0, in_flight, posted)
            for (at, seen), (in_flight, posted) in zip(self._looks, course, strict=True)
        ]
        yield from samples[:1]
        for (before, this), after in zip(pairwise(samples), [*samples[2:], None], strict=True):
            if after is None or _numbers(this) != _numbers(before) or _numbers(this) != _numbers(after):
                yield this

    def _phase(self, phase: str) -> None:
        self._progress.phase = phase
        self._tell(self._progress)


def _numbers(sample: Sample) -> tuple[int, int, int]:
    return sample.queued, sample.in_flight, sample.posted
