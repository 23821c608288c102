"""The queue, in plain Python: the reference that every other store is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from prreview_cli.core.durations import Durations
from prreview_cli.core.events import Answer, Decision, Delivery
from prreview_cli.core.job import AT_REST, WAITING, AttemptCost, Job, Lease, Outcome, Standing, State, Target
from prreview_cli.core.ports.store import Capacity, DeliveryRecord, Depth, Ended, History
from prreview_cli.store.bell import Bell
from prreview_cli.store.leases import Observer
from prreview_cli.store.memory import endings, holds, requests, taking
from prreview_cli.store.memory.pools import MemoryPools
from prreview_cli.store.memory.tables import Tables, key_of


class MemoryJobs:
    """`Jobs` over plain collections. Each verb runs without a pause in between, so it is one transaction."""

    def __init__(self, tables: Tables, bell: Bell, pools: MemoryPools, observer: Observer) -> None:
        self._tables = tables
        self._bell = bell
        self._pools = pools
        self._observer = observer

    async def accept(self, delivery: Delivery, decision: Decision, min_interval_s: float, now: datetime) -> Answer:
        answer = requests.decide(self._tables, decision, min_interval_s, now)
        self._tables.deliveries.append(DeliveryRecord(delivery, answer))
        self._bell.ring()
        return answer

    async def request(self, target: Target, min_interval_s: float, now: datetime) -> Answer:
        self._bell.ring()
        return requests.request(self._tables, target, min_interval_s, now)

    async def claim(self, worker: str, capacity: Capacity, lease_s: float, now: datetime) -> Lease | None:
        rung = self._bell.rung
        lease = holds.claim(self._tables, worker, capacity, lease_s, now)
        if lease is None:
            self._bell.heard_at(rung)
        else:
            self._bell.ring()
        return lease

    async def take(
        self, target: Target, worker: str, capacity: Capacity, min_interval_s: float, lease_s: float, now: datetime
    ) -> Lease | Answer | None:
        taken = taking.take(self._tables, target, worker, capacity, min_interval_s, lease_s, now)
        if taken is not None:
            self._bell.ring()
        return taken

    async def renew(self, lease: Lease, lease_s: float) -> Standing:
        return holds.renew(self._tables, lease, lease_s)

    async def standing(self, lease: Lease) -> Standing:
        return holds.standing(self._tables, lease)

    async def begin(self, lease: Lease, now: datetime) -> Standing:
        return holds.begin(self._tables, lease, now)

    async def begin_post(self, lease: Lease, now: datetime) -> Standing:
        return holds.begin_post(self._tables, lease, now)

    async def post_under_way(self, lease: Lease) -> datetime | None:
        return self._tables.pull_requests[key_of(lease.job)].post_began

    async def settle(self, lease: Lease, outcome: Outcome, cost: AttemptCost, now: datetime) -> bool:
        self._bell.ring()
        return endings.settle(self._tables, lease, outcome, cost, now)

    async def rescue(self, max_attempts: int, now: datetime) -> list[Job]:
        dead = self._pools.dead()
        over = self._observer.over(holds.sign(row) for row in self._tables.running())
        rescued = endings.rescue(self._tables, dead, over, max_attempts, now)
        self._pools.bury(dead)
        if rescued:
            self._bell.ring()
        return rescued

    async def cancel(self, job_id: str, reason: str, now: datetime) -> Job | None:
        self._bell.ring()
        return endings.cancel(self._tables, job_id, reason, now)

    async def retry(self, job_id: str, now: datetime) -> Job | None:
        self._bell.ring()
        return endings.retry(self._tables, job_id, now)

    async def get(self, job_id: str) -> Job | None:
        row = self._tables.jobs.get(job_id)
        return None if row is None else row.job

    async def ended(self, since: datetime, until: datetime) -> list[Ended]:
        at_rest = [row.job for row in self._tables.jobs.values() if row.job.state in AT_REST and since <= row.job.updated < until]
        return [self._tables.ended(job) for job in sorted(at_rest, key=lambda job: (job.updated, job.id))]

    async def list(self, states: Sequence[State], limit: int | None) -> list[Job]:
        newest_first = reversed(self._tables.jobs.values())
        return [row.job for row in newest_first if not states or row.job.state in states][:limit]

    async def history(self, repository: str, number: int) -> History:
        def concerns(name: str | None, its_number: int | None) -> bool:
            return name is not None and (name.lower(), its_number) == (repository.lower(), number)

        jobs = [row.job for row in self._tables.jobs.values() if concerns(row.job.repository, row.job.number)]
        ids = {job.id for job in jobs}
        return History(
            deliveries=[each for each in self._tables.deliveries if concerns(each.delivery.repository, each.delivery.number)],
            jobs=jobs,
            attempts=[attempt for attempt in self._tables.attempts if attempt.job in ids],
        )

    async def delivery(self, id_: str) -> Delivery | None:
        return next((each.delivery for each in reversed(self._tables.deliveries) if each.delivery.id == id_), None)

    async def depth(self, now: datetime) -> Depth:
        jobs = [row.job for row in self._tables.jobs.values()]
        due = [job.due for job in jobs if job.state in WAITING and job.due is not None and job.due <= now]
        return Depth({state: sum(job.state is state for job in jobs) for state in State}, min(due, default=None))

    async def review_seconds(self) -> Durations:
        return self._tables.reviews_took

    async def prune(self, before: datetime, limit: int) -> int:
        tables = self._tables
        received = sorted(tables.deliveries, key=lambda each: each.delivery.received)
        deliveries = [each for each in received if each.delivery.received < before][:limit]
        tables.deliveries = [each for each in tables.deliveries if not any(each is old for old in deliveries)]
        at_rest = [row.job for row in tables.jobs.values() if row.job.state in AT_REST and row.job.updated < before]
        jobs = sorted(at_rest, key=lambda job: (job.updated, job.id))[: limit - len(deliveries)]
        for job in jobs:
            del tables.jobs[job.id]
        gone = {job.id for job in jobs}
        tables.attempts = [attempt for attempt in tables.attempts if attempt.job not in gone]
        return len(deliveries) + len(jobs)
