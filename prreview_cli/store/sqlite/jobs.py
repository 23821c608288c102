"""The queue on SQLite: each verb is one operation of the writer, or one look of the reader."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from prreview_cli.core.durations import Durations
from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.events import Answer, Decision, Delivery
from prreview_cli.core.job import AttemptCost, HandBack, Job, Lease, Outcome, Standing, State, Target
from prreview_cli.core.ports.store import Capacity, Depth, Ended, History
from prreview_cli.store import rulings
from prreview_cli.store.leases import Observer, Sign
from prreview_cli.store.sqlite import endings, holds, lookups, requests, taking
from prreview_cli.store.sqlite.bodies import Bodies
from prreview_cli.store.sqlite.database import Database
from prreview_cli.store.sqlite.liveness import Liveness
from prreview_cli.store.sqlite.rows import duration, maybe_moment, millis


class SqliteJobs:
    """`Jobs` over one database."""

    def __init__(self, database: Database, liveness: Liveness, bodies: Bodies, observer: Observer) -> None:
        self._database = database
        self._bodies = bodies
        self._liveness = liveness
        self._observer = observer

    async def accept(self, delivery: Delivery, decision: Decision, min_interval_s: float, now: datetime) -> Answer:
        interval, at = duration(min_interval_s), millis(now)
        answer, row = await self._database.write(lambda db: requests.accept(db, delivery, decision, interval, at), durable=True)
        if delivery.body is not None:
            self._bodies.keep(row, delivery.body)
        return answer

    async def request(self, target: Target, min_interval_s: float, now: datetime) -> Answer:
        interval, at = duration(min_interval_s), millis(now)
        return await self._database.write(lambda db: requests.request(db, target, interval, at), durable=True)

    async def claim(self, worker: str, capacity: Capacity, lease_s: float, now: datetime) -> Lease | None:
        at, lease = millis(now), duration(lease_s)
        if not await self._database.look(lambda db: holds.claimable(db, capacity, at)):
            return None
        claiming = self._database.submit(lambda db: holds.claim(db, worker, capacity, lease, at))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            # Nobody would ever work on it: do not let it wait for its lease to expire.
            with contextlib.suppress(StoreUnusable):
                if (taken := await claiming) is not None:
                    await self.settle(taken, HandBack("Its worker stopped while it took the job."), AttemptCost(), now)
            raise

    async def take(
        self, target: Target, worker: str, capacity: Capacity, min_interval_s: float, lease_s: float, now: datetime
    ) -> Lease | Answer | None:
        interval, lease, at = duration(min_interval_s), duration(lease_s), millis(now)
        submitted = self._database.submit(lambda db: taking.take(db, target, worker, capacity, interval, lease, at), durable=True)
        try:
            return await asyncio.shield(submitted)
        except holds.NoRoom:
            return None
        except asyncio.CancelledError:
            # A job made for this call alone ends; one that waited before goes on waiting.
            with contextlib.suppress(StoreUnusable, holds.NoRoom):
                if isinstance(taken := await submitted, Lease):
                    await self.settle(taken, HandBack("Its review was interrupted while it began."), AttemptCost(), now)
            raise

    async def renew(self, lease: Lease, lease_s: float) -> Standing:
        length = duration(lease_s)
        return await self._database.write(lambda db: holds.renew(db, lease, length))

    async def standing(self, lease: Lease) -> Standing:
        return await self._database.read(lambda db: holds.standing(db, lease))

    async def begin(self, lease: Lease, now: datetime) -> Standing:
        return await self._database.write(lambda db: holds.begin(db, lease, millis(now)))

    async def begin_post(self, lease: Lease, now: datetime) -> Standing:
        return await self._database.write(lambda db: holds.begin_post(db, lease, millis(now)))

    async def post_under_way(self, lease: Lease) -> datetime | None:
        return maybe_moment(await self._database.read(lambda db: holds.post_under_way(db, lease)))

    async def settle(self, lease: Lease, outcome: Outcome, cost: AttemptCost, now: datetime) -> bool:
        durable = isinstance(outcome, rulings.DURABLE)
        return await self._database.write(lambda db: endings.settle(db, lease, outcome, cost, millis(now)), durable=durable)

    async def rescue(self, max_attempts: int, now: datetime) -> list[Job]:
        any_dead, signs = await self._database.read(lambda db: (bool(self._liveness.dead()), holds.signs(db)))
        over = self._observer.over(signs)
        if not any_dead and not over:
            return []
        rescued, dead = await self._database.write(lambda db: self._rescue(db, over, max_attempts, millis(now)))
        self._liveness.bury(dead)  # not before the commit: should it fail, their files still say at once that they are dead
        return rescued

    def _rescue(self, db: sqlite3.Connection, over: frozenset[Sign], max_attempts: int, now: int) -> tuple[list[Job], frozenset[Path]]:
        dead = self._liveness.dead()
        workers = {worker for worker in lookups.workers(db) if self._liveness.is_of(worker, dead)}
        rescued = endings.rescue(db, workers, over, max_attempts, now)
        lookups.forget(db, workers)
        return rescued, dead

    async def cancel(self, job_id: str, reason: str, now: datetime) -> Job | None:
        return await self._database.write(lambda db: endings.cancel(db, job_id, reason, millis(now)), durable=True)

    async def retry(self, job_id: str, now: datetime) -> Job | None:
        return await self._database.write(lambda db: endings.retry(db, job_id, millis(now)), durable=True)

    async def get(self, job_id: str) -> Job | None:
        return await self._database.read(lambda db: lookups.get(db, job_id))

    async def ended(self, since: datetime, until: datetime) -> list[Ended]:
        return await self._database.read(lambda db: lookups.ended(db, millis(since), millis(until)))

    async def list(self, states: Sequence[State], limit: int | None) -> list[Job]:
        return await self._database.read(lambda db: lookups.newest(db, states, limit))

    async def history(self, repository: str, number: int) -> History:
        return await self._database.read(lambda db: lookups.history(db, repository, number))

    async def delivery(self, id_: str) -> Delivery | None:
        await self._bodies.kept()
        return await self._database.read(lambda db: lookups.delivery_of(db, id_))

    async def depth(self, now: datetime) -> Depth:
        return await self._database.read(lambda db: lookups.depth(db, millis(now)))

    async def review_seconds(self) -> Durations:
        return await self._database.read(lookups.review_seconds)

    async def prune(self, before: datetime, limit: int) -> int:
        return await self._database.write(lambda db: lookups.prune(db, millis(before), limit))
