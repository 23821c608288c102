"""A load test in rounds: a burst each, during which the worker, the server or both are killed at a random moment.

A killed worker is started again by its server, a killed server by us, who stand in for systemd; deliveries that the dead
server did not answer are made again, as an operator would have the host do. The simulators stay up all the time, and the
next round begins as soon as all reviews of the last are posted: its kill may still meet what the last one left unsettled.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

from prreview_cli.core.ports.clock import Clock
from prreview_cli.trials import families, gauges
from prreview_cli.trials.burst import Shot, fire
from prreview_cli.trials.finished import finished
from prreview_cli.trials.kills import Kill, Plan, Victim, plans
from prreview_cli.trials.observing import forget_the_ordinary, observed
from prreview_cli.trials.progress import Progress
from prreview_cli.trials.simulators.behaviours import reviewer
from prreview_cli.trials.simulators.webhooks import Delivery
from prreview_cli.trials.stand import TURNS, Stand, name_of
from prreview_cli.trials.verdict import Killing, Observed, Result, Sample, judge

LOOK_S, QUIET_LOOKS = 0.05, 5
"""How often is looked, and how often in a row nothing must go on before that is believed."""
PATIENCE_S, PATIENCE_A_TURN_S = 60.0, 30.0
"""How long a burst may take before its missing reviews are called lost: at least, and more for each turn of the workers."""
OUTLIVE_S = 5.0
"""How long, in seconds, something may outlive the worker that started it."""
FIRST_TURN_S, TURN_S = 0.1, 0.02
"""How long the scripted model thinks: rounds are many, and what is looked for lies between its answers."""


class Rounds:
    """All rounds of one trial, on a stand whose server runs."""

    def __init__(self, stand: Stand, progress: Progress, clock: Clock, tell: Callable[[Progress], None]) -> None:
        self._stand, self._progress, self._clock, self._tell = stand, progress, clock, tell
        self._options = progress.options
        self._numbers = count(1)
        self._up = asyncio.Event()
        self._families: list[tuple[frozenset[families.Process], float]] = []
        self._left_over: list[str] = []
        self._wrong_heads = 0
        self._deliveries = self._kept = 0
        self._usual_s = self._drain_s = 0.0
        self._begun = clock.monotonic()

    async def run(self) -> Result:
        """Make them until one breaks a promise; then end the server and judge all. TrialFailed if the server ends by itself."""
        self._stand.model.script = reviewer(turns=TURNS, first_wait_s=FIRST_TURN_S, wait_s=TURN_S)
        self._up.set()
        self._phase("one burst in peace")
        await self._round(Plan(0, None, 0.0))  # how long one takes says when to kill
        for plan in plans(self._options.rounds, self._options.victims, self._options.seed):
            if not all(promise.kept for promise in judge(self._observed(0))):
                break
            await self._round(plan)
        self._phase("settling")
        await self._at_rest()
        self._phase("stopping the server")
        exit_code = await self._stand.server.drain()
        await self._see_ended()
        seen = self._observed(exit_code)
        return Result(self._options.agent, seen, tuple(self._timeline()), round(self._drain_s, 3), judge(seen))

    # -- one round -----------------------------------------------------------------------------------

    async def _round(self, plan: Plan) -> None:
        numbers = [next(self._numbers) for _ in range(self._options.burst)]
        if plan.round:
            self._progress.round, self._progress.phase = plan.round, "in rounds"
            await self._stand.more(numbers)
        stored, begun = len(self._stand.hosted.reviews), self._clock.monotonic()
        firing = asyncio.create_task(self._deliver(numbers))
        try:
            if plan.victim is not None:
                await self._clock.sleep(plan.moment * self._usual_s)
                await self._kill(plan, plan.victim, numbers, begun)
            await firing
        finally:
            firing.cancel()
        acked, wanted = self._clock.monotonic(), set(numbers)
        await self._until(lambda: wanted <= {review.number for review in self._stand.hosted.reviews[stored:]})
        ended = self._clock.monotonic()
        if not plan.round:
            self._usual_s = ended - begun
        self._drain_s = max(self._drain_s, ended - acked)
        await self._see_ended()
        self._close(numbers, stored)

    def _close(self, numbers: Sequence[int], stored: int) -> None:
        pulls = self._stand.hosted.pulls
        self._wrong_heads += sum(review.commit_id != pulls[review.number].head_sha for review in self._stand.hosted.reviews[stored:])
        self._stand.witness.forget(map(name_of, numbers))
        forget_the_ordinary(self._stand)
        self._look()
        self._progress.samples[self._kept :] = _telling(self._progress.samples[self._kept :])
        self._kept = len(self._progress.samples)

    async def _deliver(self, numbers: Sequence[int]) -> None:
        """Deliver until all is answered: again what a killed server left without an answer, once there is another."""
        shots = [Shot(name_of(number), delivery) for number, delivery in self._deliveries_of(numbers)]
        self._deliveries += len(shots)
        while shots:
            await self._up.wait()
            server = self._stand.server
            acks = await fire(server.ready.webhook, shots, self._options.rate, self._clock, lambda _ack: None)
            unheard = [(ack, shot) for ack, shot in zip(acks, shots, strict=True) if ack.status == 0]
            again = self._stand.server is not server or not self._up.is_set()
            self._progress.acks += acks if not again else [ack for ack in acks if ack.status]
            shots = [shot for _, shot in unheard] if again else []

    def _deliveries_of(self, numbers: Sequence[int]) -> list[tuple[int, Delivery]]:
        firsts = [(number, self._stand.delivery(number)) for number in numbers]
        return [
            (number, first if repetition % 2 == 0 else self._stand.again(first))
            for repetition in range(self._options.duplicates + 1)
            for number, first in firsts
        ]

    # -- killing -------------------------------------------------------------------------------------

    async def _kill(self, plan: Plan, victim: Victim, numbers: Sequence[int], begun: float) -> None:
        server, worker = self._stand.server.pid, await self._worker()
        pids = {Victim.WORKER: [worker], Victim.SERVER: [server], Victim.BOTH: [server, worker]}[victim]
        if victim is not Victim.WORKER:
            self._up.clear()
        family = families.kill(pids, of=pids[0])
        at = self._clock.monotonic()
        if victim is Victim.SERVER:  # its pool finishes what it holds
            self._families.append((family, at + PATIENCE_S))
        else:
            self._families.append((family, at + OUTLIVE_S))
            self._stand.witness.killed(at)
        self._progress.kills.append(Kill(plan.round, victim, round(at - begun, 3)))
        self._tell(self._progress)
        found = finished(self._stand.database, numbers)
        self._stand.witness.stored(map(name_of, found), self._clock.monotonic())
        if victim is not Victim.WORKER:
            await self._stand.server.exited()
            await self._stand.serve_again()
            self._up.set()

    async def _worker(self) -> int:
        """The pool of the server; the last round's may just be replaced."""
        found: int | None = None

        def is_there() -> bool:
            nonlocal found
            found = families.child_of(self._stand.server.pid)
            return found is not None

        await self._until(is_there)
        if found is None:
            raise self._stand.server.failed("The server did not start its worker again.")
        return found

    async def _see_ended(self) -> None:
        """Wait until nothing is left of what the killed ones had started, and note what outlives them for too long."""
        for family, deadline in self._families:
            while (left := families.alive(family)) and self._clock.monotonic() < deadline:
                await self._clock.sleep(LOOK_S)
            self._left_over += [f"{process.name} ({process.pid})" for process in left]
        self._families.clear()

    # -- watching ------------------------------------------------------------------------------------

    async def _until(self, true: Callable[[], bool]) -> None:
        """Look again and again until it is so, or for as long as a burst may take."""
        turns = -(-self._options.burst // self._options.bound)
        deadline = self._clock.monotonic() + PATIENCE_S + PATIENCE_A_TURN_S * turns
        while not true() and self._clock.monotonic() < deadline:
            if self._stand.server.died:
                raise self._stand.server.failed("The server ended by itself in the midst of the trial.")
            self._look()
            await self._clock.sleep(LOOK_S)

    async def _at_rest(self) -> None:
        """Wait until the last jobs are settled, too: nothing may come after them."""
        quiet, deadline = 0, self._clock.monotonic() + PATIENCE_S
        while quiet < QUIET_LOOKS and self._clock.monotonic() < deadline:
            await self._clock.sleep(LOOK_S)
            seen = await gauges.read(self._stand.server.ready.ops)
            quiet = quiet + 1 if seen is not None and (seen.idle or seen.paused) else 0

    def _look(self) -> None:
        """Show how it is now, as far as the simulators and the acknowledgements tell."""
        flying, posted = self._stand.activity.in_flight_now(), self._stand.activity.posted_now()
        acked = sum(ack.accepted for ack in self._progress.acks) // (self._options.duplicates + 1)
        waiting = max(0, acked - posted - flying)
        self._progress.samples.append(Sample(round(self._clock.monotonic() - self._begun, 3), waiting, flying, posted))
        self._tell(self._progress)

    def _timeline(self) -> Iterator[Sample]:
        """The looks that were kept, with what is known of them afterwards: what a killed worker held was not in flight any more."""
        samples = self._progress.samples
        course = self._stand.activity.course([self._begun + sample.t_s for sample in samples])
        for sample, (in_flight, _) in zip(samples, course, strict=True):
            yield replace(sample, in_flight=in_flight)

    def _phase(self, phase: str) -> None:
        self._progress.phase = phase
        self._tell(self._progress)

    # -- judging -------------------------------------------------------------------------------------

    def _observed(self, exit_code: int) -> Observed:
        self._stand.witness.catch_up()
        killed = Counter(kill.victim for kill in self._progress.kills)
        killing = Killing(
            burst=self._options.burst,
            rounds=self._progress.round,
            seed=self._options.seed,
            kills={victim: killed[victim] for victim in Victim},
            wrong_heads=self._wrong_heads,
            needless=self._stand.witness.needless,
            orphaned=self._stand.witness.orphaned,
            left_over=tuple(self._left_over),
        )
        return observed(
            self._stand,
            self._options,
            deliveries=self._deliveries,
            acks=self._progress.acks,
            exit_code=exit_code,
            killing=killing,
        )


def _telling(looks: Sequence[Sample]) -> list[Sample]:
    """Of a round's looks, the one when most was to be done, and the last: all of them would fill the memory of a long trial."""
    busiest = max(looks, key=lambda sample: (sample.queued + sample.in_flight, sample.in_flight))
    return [busiest, *(look for look in looks[-1:] if look is not busiest)]
