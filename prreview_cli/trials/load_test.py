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
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Self

from prreview_cli.core.ports.clock import Clock
from prreview_cli.trials import gauges
from prreview_cli.trials.burst import Ack, Shot, fire
from prreview_cli.trials.gauges import Gauges
from prreview_cli.trials.last_words import last_words
from prreview_cli.trials.observing import observed
from prreview_cli.trials.progress import Options, Progress
from prreview_cli.trials.rounds import Rounds
from prreview_cli.trials.server_process import SERVE
from prreview_cli.trials.stand import Stand, missing_layers, name_of
from prreview_cli.trials.verdict import Result, Sample, judge

LOOK_S = 0.1
QUIET_LOOKS = 3
"""How often the gauges are read, and how often they must say that nothing goes on before that is believed."""
PATIENCE_S, PATIENCE_A_REVIEW_S = 60.0, 30.0
"""How long a drain may take before the trial gives up on it: at least, and more for each turn of the workers."""


async def run(options: Options, *, clock: Clock, on_progress: Callable[[Progress], None], server: Sequence[str] = SERVE) -> Result:
    """Make the trial. TrialFailed if the server does not begin or dies. Leaves nothing behind, also when cancelled.

    `server` is the command that `serve`'s arguments are put behind.
    """
    progress = Progress(options, await missing_layers())
    with tempfile.TemporaryDirectory(prefix="prreview-load-test-", ignore_cleanup_errors=True) as folder:
        async with AsyncExitStack() as stack:
            trial = await _Trial(Path(folder), progress, clock, on_progress).begin(stack, server)
            result = await (Rounds(trial.stand, progress, clock, on_progress).run() if options.in_rounds else trial.run())
        return replace(result, last_words=last_words(Path(folder))) if result.broken else result


class _Trial:
    """One load test, from the simulators' start to the server's end."""

    def __init__(self, folder: Path, progress: Progress, clock: Clock, on_progress: Callable[[Progress], None]) -> None:
        self._progress, self._clock, self._tell = progress, clock, on_progress
        self._options = progress.options
        self.stand = Stand(folder, clock, self._options.agent)
        self._begun = self._last_ack = 0.0
        self._looks: list[tuple[float, Gauges | None]] = []

    async def begin(self, stack: AsyncExitStack, server: Sequence[str]) -> Self:
        """Start the simulators and the server; the stack ends them."""
        self._phase("setting up")
        await self.stand.open(stack, self._options.burst)
        self._phase("starting the server")
        await self.stand.serve(
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
        await gauges.read(self.stand.server.ready.ops)  # the first reading loads what it needs; not while acknowledgements are timed
        self._begun = self._clock.monotonic()
        self._looks.append((self._begun, Gauges(0, 0, paused=False)))
        firing = asyncio.create_task(fire(self.stand.server.ready.webhook, shots, self._options.rate, self._clock, self._acknowledged))
        try:
            acks = await self._watch(firing)
        finally:
            firing.cancel()
        drain_s = max(0.0, (self.stand.activity.last_post or self._last_ack) - self._last_ack)
        self._phase("stopping the server")
        exit_code = await self.stand.server.drain()
        seen = observed(self.stand, self._options, deliveries=len(shots), acks=acks, exit_code=exit_code)
        return Result(self._options.agent, seen, tuple(self._timeline()), round(drain_s, 3), judge(seen))

    # -- firing --------------------------------------------------------------------------------------

    def _shots(self) -> Iterator[Shot]:
        """All pull requests, then all again: every second repetition under an id of its own, as no redelivery would be."""
        firsts = {number: self.stand.delivery(number) for number in range(1, self._options.burst + 1)}
        for repetition in range(self._options.duplicates + 1):
            for number, first in firsts.items():
                again = first if repetition % 2 == 0 else self.stand.again(first)
                yield Shot(name_of(number), again)

    # -- watching ------------------------------------------------------------------------------------

    async def _watch(self, firing: asyncio.Task[list[Ack]]) -> list[Ack]:
        """Look again and again until nothing is to come any more; the acknowledgements."""
        quiet, rounds = 0, -(-self._options.burst // self._options.bound)
        while quiet < QUIET_LOOKS:
            await self._clock.sleep(LOOK_S)
            if self.stand.server.died:
                raise self.stand.server.failed("The server ended by itself in the midst of the trial.")
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
        at, seen = self._clock.monotonic(), await gauges.read(self.stand.server.ready.ops)
        self._looks.append((at, seen))
        waiting = seen.waiting if seen else 0
        self._progress.samples.append(
            Sample(round(at - self._begun, 3), waiting, self.stand.activity.in_flight_now(), self.stand.activity.posted_now())
        )
        self._tell(self._progress)
        return seen

    def _is_over(self, seen: Gauges | None, acks: list[Ack]) -> bool:
        posted = {name_of(review.number) for review in self.stand.host.reviews()}
        if seen is None:
            return {ack.review for ack in acks if ack.accepted} <= posted
        return seen.idle or seen.paused

    def _timeline(self) -> Iterator[Sample]:
        """The looks, with what is known of them afterwards; of equal ones in a row, the first and the last."""
        course = self.stand.activity.course([at for at, _ in self._looks])
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
