"""One review now, in the caller's process: past the queue, and under the same pause, bounds, bill and once.

The job is taken by name, held like a pool's, and settled like a pool's. Two things differ. A failure that another
try may mend is tried again here, while the hold stands, because somebody waits. And a job that nobody else has asked
for is left to no pool afterwards; the store sees to that (`Jobs.take`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import TypeVar

from prreview_cli.core import errors, retry
from prreview_cli.core.events import Answer, AnswerStatus
from prreview_cli.core.job import (
    AT_REST,
    HandBack,
    Job,
    Lease,
    Outcome,
    Posted,
    Skipped,
    State,
    Superseded,
    Target,
)
from prreview_cli.core.marker import Marker
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Capacity, Store
from prreview_cli.core.profile import Workers
from prreview_cli.core.review import Review, ReviewStatus, Usage
from prreview_cli.services.hold import Hold, Work
from prreview_cli.services.pulse import Pulse
from prreview_cli.services.reviewer import Reviewer
from prreview_cli.services.settlement import Settlement

T = TypeVar("T")

LONGEST_WAIT_S = 60.0
"""A hint of the server's to wait for longer, in seconds, ends the command: whoever called it may try again then."""

LOOK_S, PACE_S = 1.0, 0.1
"""The longest and the shortest time, in seconds, between two looks at what is waited for."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a review in the foreground came to.

    `review`: the finished one, as stored. `review_id`, `marker`: of the one that the host shows. `failure`: why there
    is none, or why it was not posted. `tries`: the failures on the way.
    """

    status: ReviewStatus
    reason: str | None = None
    review: Review | None = None
    review_id: str | None = None
    marker: Marker | None = None
    failure: errors.Failure | None = None
    usage: Usage = field(default_factory=Usage)
    tries: int = 0


@dataclass(slots=True)
class Foreground:
    """Reviews one head. `told` is how the person who waits hears why; `pulse` beats without slots, so that it is no pool
    to anybody and its death is seen at once."""

    workers: Workers
    min_interval_s: float
    store: Store
    reviewer: Reviewer
    settlement: Settlement
    pulse: Pulse
    clock: Clock
    told: Callable[[str], None]
    _tries: int = 0
    _said: str = ""

    async def review(self, target: Target, work: Work | None = None) -> Result:
        """Take the head's job, wait for a slot if need be, and bring it to an end. Raises Paused, and StoreUnusable.

        `work` is done under the hold; by default, the review of a pull request. Cancellation stops the work, gives the
        job back and is passed on.
        """
        await self.pulse.beat()
        beating = asyncio.create_task(self.pulse.run())
        try:
            while True:
                await expect_unpaused(self.store, self.clock)
                await self._expect_closed()
                if (result := await self._once(target, work or self.reviewer.review)) is not None:
                    return result
                await self._pause()
        finally:
            beating.cancel()
            with suppress(errors.StoreUnusable):  # what the review came to is known, and may stand on the host
                await self.store.pools.leave(self.pulse.worker)

    async def _expect_closed(self) -> None:
        """Wait out a circuit that is shut for a little while; CircuitOpen if it is for longer."""
        try:
            await self.settlement.breaker.expect_closed()
        except errors.CircuitOpen as shut:
            wait = LONGEST_WAIT_S + 1 if shut.retry_at is None else (shut.retry_at - self.clock.now()).total_seconds()
            if wait > LONGEST_WAIT_S:
                raise
            self._say(str(shut))
            await self.clock.sleep(wait)

    async def ask_host(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What the host says before there is a job, asked patiently; a failure that concerns the whole profile pauses it."""
        await expect_unpaused(self.store, self.clock)
        try:
            return await self.patiently(ask)
        except errors.Failure as failure:
            if retry.RESPONSES[type(failure)] is retry.Response.PAUSE:
                await self.settlement.kill_switch.trip(failure)
            raise

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do what may be tried again until it succeeds, fails for good, or would have to wait for too long."""
        for attempt in count(1):
            try:
                return await work()
            except errors.Failure as failure:
                self._tries += 1
                wait = self._wait_after(failure, attempt)
                if wait is None:
                    raise
                self.told(f"{failure} Trying again in {wait:.0f} s, {attempt} of {self.workers.max_attempts} tries are used.")
                await self.clock.sleep(wait)
        raise AssertionError

    def _wait_after(self, failure: errors.Failure, attempt: int) -> float | None:
        if retry.RESPONSES[type(failure)] is not retry.Response.AGAIN or attempt >= self.workers.max_attempts:
            return None
        now = self.clock.now()
        policy, chance = self.settlement.policy, self.settlement.chance
        due = now + timedelta(seconds=retry.delay(policy, attempt, chance))
        wait = (max(due, failure.retry_at or due) - now).total_seconds()
        return wait if wait <= LONGEST_WAIT_S else None

    # -- taking ----------------------------------------------------------------------------------

    async def _once(self, target: Target, work: Work) -> Result | None:
        """The result, or None: look again when something has changed."""
        await self.store.jobs.rescue(self.workers.max_attempts, self.clock.now())
        capacity = Capacity(self.workers.count, self.workers.max_in_flight_per_repository)
        taken = await self.store.jobs.take(target, self.pulse.worker, capacity, self.min_interval_s, self.workers.lease_s, self.clock.now())
        match taken:
            case Lease():
                return await self._held(taken, work)
            case Answer():
                return await self._answered(taken)
            case None:
                self._say(f"Waiting for a slot: workers.count allows {self.workers.count} reviews at once, and one of each pull request.")
                return None

    async def _answered(self, answer: Answer) -> Result | None:
        """There is nothing to take: the head is somebody else's, or older than what is known."""
        if answer.status is AnswerStatus.SUPERSEDED:
            return Result(ReviewStatus.SUPERSEDED, answer.reason)
        job = None if answer.job is None else await self.store.jobs.get(answer.job)
        if job is None or job.state is State.QUEUED:
            return None
        if job.state in AT_REST:
            return await self._of_job(job)
        if job.state is State.SCHEDULED and job.due is not None:
            reason = f"Job {job.id} of this head waits until {job.due:%H:%M:%S} UTC: {job.reason or 'its time has not come'}"
            return Result(ReviewStatus.FAILED, reason, failure=errors.Busy(reason, retry_at=job.due))
        self._say(f"Waiting for job {job.id}, which reviews this head already.")
        await self._until_it_moves(job)
        ended = await self.store.jobs.get(job.id)
        # A failure is told; whatever else ended it without a review, ours is the next look.
        return await self._of_job(ended) if ended is not None and ended.state is State.DEAD else None

    async def _until_it_moves(self, job: Job) -> None:
        """Reads only: to ask for the head again and again would be a write each time."""
        while (now := await self.store.jobs.get(job.id)) is not None and (now.state, now.claim) == (job.state, job.claim):
            await expect_unpaused(self.store, self.clock)
            await self.store.jobs.rescue(self.workers.max_attempts, self.clock.now())
            await self._pause()

    async def _pause(self) -> None:
        await self.clock.sleep(PACE_S)
        await self.store.changed(LOOK_S)

    async def _of_job(self, job: Job) -> Result:
        """What a job at rest came to, that another worker ended."""
        base = await self._base(job)
        reason = "This head has its review already." if job.state is State.POSTED else job.reason
        if job.state is State.DEAD:
            return replace(base, reason=reason, failure=errors.of_kind(job.failure)(reason or "It failed for good."))
        if job.state is State.POSTED:
            return replace(
                base, status=base.review.status if base.review else ReviewStatus.COMPLETE, reason=reason, review_id=job.review_id
            )
        return replace(base, status=ReviewStatus(job.state.value), reason=reason)

    async def _base(self, job: Job) -> Result:
        now = await self.store.jobs.get(job.id)
        review = await self.store.reviews.of(job.id) if now is not None and now.reviewed else None
        return Result(ReviewStatus.FAILED, review=review, usage=await self.store.spend.of_job(job.id), tries=self._tries)

    # -- holding ---------------------------------------------------------------------------------

    async def _held(self, lease: Lease, work: Work) -> Result:
        hold = Hold(lease, self.store, self.clock, self.workers.lease_s, self.workers.job_timeout_s)
        try:
            ended = await hold.run(lambda lease, record: self.patiently(lambda: work(lease, record)))
        except asyncio.CancelledError:
            await self.settlement.settle(lease, errors.Stopped("It was interrupted by hand."), hold.record)
            raise
        if ended is None:
            ended = errors.Stopped("The hold on the job was lost: this machine was asleep or too slow to renew it.")
        else:
            await self.settlement.settle(lease, ended, hold.record)
        return await self._of_hold(lease.job, ended)

    async def _of_hold(self, job: Job, ended: Outcome | errors.Failure) -> Result:
        base = await self._base(job)
        match ended:
            case Posted(review_id=review_id, reason=reason, marker=marker):
                shown = base.review or marker
                status = ReviewStatus.COMPLETE if shown is None else shown.status
                return replace(base, status=status, reason=reason, review_id=review_id, marker=marker)
            case HandBack() if base.review is not None:  # finished, and not to be posted
                return replace(base, status=base.review.status)
            case Skipped(reason=reason):
                return replace(base, status=ReviewStatus.SKIPPED, reason=reason)
            case Superseded(reason=reason):
                return replace(base, status=ReviewStatus.SUPERSEDED, reason=reason)
            case errors.Stopped():
                return await self._of_stopped(job, ended)
            case errors.Failure():
                return replace(base, reason=str(ended), failure=ended)
        return replace(base, reason=ended.reason, failure=errors.Internal(f"A review ended as {type(ended).__name__}."))

    async def _of_stopped(self, job: Job, stopped: errors.Stopped) -> Result:
        """The job was taken back from us: what has become of it tells why."""
        now = await self.store.jobs.get(job.id)
        if now is not None and now.state in AT_REST:
            return await self._of_job(now)
        return replace(await self._base(job), reason=str(stopped), failure=errors.Busy(str(stopped)))

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self.told(text)


LOCAL = 0
"""The repository id of ranges in local clones; no host gives it away. Such a job is of no pull request that a pool could review."""


def local_target(repository: str, head_sha: str, merge_base: str, now: datetime) -> Target:
    """The job of a range in a local clone: each head is a pull request of its own, and another base makes it anew."""
    number = int(head_sha[:7], 16) + 1
    return Target(LOCAL, repository, number, head_sha, merge_base, now, author="", admitted=True)


async def expect_unpaused(store: Store, clock: Clock) -> None:
    """Paused, unless the profile may work."""
    if (pause := await store.switches.paused(clock.now())) is not None:
        raise errors.Paused(f"The profile is paused: {pause.reason}")
