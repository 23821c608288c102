"""The worker pool: claim while there is room, hold each claim, settle it; drain when told to end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from prreview_cli.core import errors, retry
from prreview_cli.core.job import Lease, State
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Capacity, Store
from prreview_cli.core.profile import Workers
from prreview_cli.services.hold import Hold
from prreview_cli.services.kill_switch import KillSwitch
from prreview_cli.services.reviewer import Reviewer
from prreview_cli.services.settlement import Settlement
from prreview_cli.services.trouble import Trouble
from prreview_cli.telemetry import logger

log = logger("pool")

IDLE_S = 0.5
"""The longest time, in seconds, before an idle pool looks for work again; a change in the queue wakes it at once."""


@dataclass(frozen=True, slots=True)
class Stint:
    """How long a pool works by itself. `until_empty`: until nothing is due, queued or running, in any process; what
    is scheduled for later stays. `max_jobs`: it takes so many jobs at most."""

    until_empty: bool = False
    max_jobs: int | None = None


ENDLESS = Stint()


@dataclass(slots=True)
class Pool:
    """Up to `slots` reviews at once, and never more than `workers.count` over all processes.

    `introduce` asks the code host who we are; it runs before the first job and again after each pause.
    """

    worker: str
    slots: int
    workers: Workers
    store: Store
    reviewer: Reviewer
    settlement: Settlement
    kill_switch: KillSwitch
    introduce: Callable[[], Awaitable[None]]
    clock: Clock
    stint: Stint = ENDLESS
    _taken: int = 0
    _holds: dict[Hold, asyncio.Task[None]] = field(default_factory=dict)
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    _hurried: asyncio.Event = field(default_factory=asyncio.Event)
    _introduced: bool = False
    _refused: int = 0
    _trouble: Trouble = field(init=False)

    def __post_init__(self) -> None:
        self._trouble = Trouble(log, "queue_unusable", self.clock, max(self.workers.backoff_s, IDLE_S))

    def end(self) -> None:
        """Take no more jobs; finish or hand back what is held within `workers.drain_s`. Twice: hand back at once."""
        if self._ending.is_set():
            self._hurried.set()
        self._ending.set()

    async def run(self) -> None:
        """Work until `end` is called or the stint is over, then drain.

        A stint until empty does not wait for better times: Paused if the profile is, CircuitOpen if something is due
        and a service is down, and whatever else keeps jobs from being taken, after what is held has drained.
        """
        try:
            while not self._ending.is_set() and not await self._over():
                await self._turn()
        except errors.PrreviewError:
            await self._drain()
            raise
        await self._drain()

    async def _turn(self) -> None:
        try:
            if (lease := await self._next()) is not None:
                self._start(lease)
            else:
                await self._wait_for(self.store.changed(IDLE_S))
            self._trouble.over()
        except errors.StoreUnusable as trouble:
            wait = self._trouble.met(trouble)
            if self.stint.until_empty:
                raise
            await self._wait_for(self.clock.sleep(wait))

    async def _over(self) -> bool:
        """Whether the stint is: never while something is held, which is finished first."""
        if self._holds:
            return False
        if not self.stint.until_empty:
            return self._used_up
        now = self.clock.now()
        if (pause := await self.store.switches.paused(now)) is not None:
            raise errors.Paused(f"The profile is paused: {pause.reason}")
        depth = await self.store.jobs.depth(now)
        waiting = depth.oldest_due is not None or depth.by_state.get(State.QUEUED)
        if self._used_up or not (waiting or depth.by_state.get(State.RUNNING)):
            return True
        if waiting:
            await self.settlement.breaker.expect_closed()
        return False

    @property
    def _used_up(self) -> bool:
        return self.stint.max_jobs is not None and self._taken >= self.stint.max_jobs

    # -- claiming --------------------------------------------------------------------------------

    async def _next(self) -> Lease | None:
        if len(self._holds) >= self.slots or self._used_up:
            return None
        if await self.store.switches.paused(self.clock.now()) is not None:
            self._introduced = False
            return None
        if not self._introduced and not await self._introduce():
            return None
        capacity = Capacity(self.workers.count, self.workers.max_in_flight_per_repository)
        return await self.store.jobs.claim(self.worker, capacity, self.workers.lease_s, self.clock.now())

    async def _introduce(self) -> bool:
        """Ask the host who we are; a token that is dead or too wide pauses the profile, an unreachable host is asked again."""
        try:
            await self.introduce()
        except errors.Failure as failure:
            log.warning("not_introduced", kind=failure.kind, reason=str(failure))
            if retry.RESPONSES[type(failure)] is retry.Response.AGAIN:
                if self.stint.until_empty:
                    raise
                self._refused += 1
                await self._wait_for(self.clock.sleep(self._delay(failure)))
            else:
                await self.kill_switch.trip(failure)
            return False
        except errors.PrreviewError as error:
            log.error("not_introduced", kind=error.kind, reason=str(error))
            await self.kill_switch.pause(str(error))
            return False
        self._introduced, self._refused = True, 0
        return True

    def _delay(self, failure: errors.Failure) -> float:
        """As after a failed attempt, and never so short that it would be no wait at all."""
        wait = max(retry.delay(self.settlement.policy, self._refused, self.settlement.chance), IDLE_S)
        hint = failure.retry_at
        return wait if hint is None else max(wait, (hint - self.clock.now()).total_seconds())

    # -- holding ---------------------------------------------------------------------------------

    def _start(self, lease: Lease) -> None:
        self._taken += 1
        log.info("claimed", job=lease.job.id, claim=lease.job.claim, repository=lease.job.repository, number=lease.job.number)
        hold = Hold(lease, self.store, self.clock, self.workers.lease_s, self.workers.job_timeout_s)
        self._holds[hold] = asyncio.create_task(self._keep(hold))

    async def _keep(self, hold: Hold) -> None:
        try:
            ended = await hold.run(self.reviewer.review)
            if ended is None:
                log.warning("lease_lost", job=hold.lease.job.id, claim=hold.lease.job.claim)
            else:
                await self.settlement.settle(hold.lease, ended, hold.record)
        except Exception:
            # The last boundary of one job: its lease runs out and it is rescued, the other slots go on.
            log.exception("hold_broke", job=hold.lease.job.id)
        finally:
            del self._holds[hold]

    # -- ending ----------------------------------------------------------------------------------

    async def _drain(self) -> None:
        log.info("draining", holds=len(self._holds))
        if self._holds:
            finished = asyncio.shield(asyncio.gather(*self._holds.values()))
            await self._until(self._hurried.wait(), finished, self.clock.sleep(self.workers.drain_s))
        for hold in list(self._holds):
            hold.hand_back()
        await asyncio.gather(*self._holds.values())

    async def _wait_for(self, waiting: Awaitable[object]) -> None:
        """Wait, but no longer than until a hold ends or the pool is told to end."""
        await self._until(waiting, self._ending.wait(), *(asyncio.shield(task) for task in self._holds.values()))

    @staticmethod
    async def _until(*waits: Awaitable[object]) -> None:
        """Return when the first of these has ended; the others are cancelled."""
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
