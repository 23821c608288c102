"""Taking a job, keeping it, and asking what the hold is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from prreview_cli.core.job import AttemptCost, Lease, Standing, State, Step
from prreview_cli.core.ports.store import Attempt, Capacity
from prreview_cli.store.leases import Sign
from prreview_cli.store.memory.tables import Row, Tables, key_of
from prreview_cli.store.turns import levels_down


def claim(tables: Tables, worker: str, capacity: Capacity, lease_s: float, now: datetime) -> Lease | None:
    """Take the next job, if one may be taken."""
    if tables.paused(now) is not None or tables.barred(now) or len(tables.running()) >= capacity.reviews:
        return None
    ripen(tables, now)
    ready = [row for row in tables.jobs.values() if row.job.state is State.QUEUED and _may_run(tables, row, capacity)]
    if not ready:
        return None
    priorities = sorted({row.job.priority for row in ready}, reverse=True)
    level = min(levels_down(tables.overtaken), len(priorities) - 1)
    tables.overtaken = tables.overtaken + 1 if level < len(priorities) - 1 else 0
    turns = [row for row in ready if row.job.priority == priorities[level]]
    return hold(tables, min(turns, key=lambda row: (row.tag, row.job.id)), worker, lease_s, now)


def hold(tables: Tables, row: Row, worker: str, lease_s: float, now: datetime) -> Lease:
    """Give a queued job to a worker."""
    tables.step(row, Step.CLAIM, now, claim=row.job.claim + 1)
    row.worker, row.lease_s = worker, lease_s
    tables.turns[row.job.priority] = max(tables.turns.get(row.job.priority, 0), row.tag)
    tables.attempts.append(Attempt(row.job.id, row.job.claim, worker, now, None, None, None, None, AttemptCost()))
    lease = Lease(row.job, worker)
    tables.probe(lease)
    return lease


def ripen(tables: Tables, now: datetime) -> None:
    """Queue the scheduled jobs whose time has come. A wait that began in the future (the clock was set back) begins anew."""
    for row in tables.jobs.values():
        if row.job.state is State.SCHEDULED and row.job.due is not None and row.job.updated > now:
            row.job = replace(row.job, due=now + (row.job.due - row.job.updated), updated=now)
    due = [(row.job.due, row.job.id, row) for row in tables.jobs.values() if row.job.state is State.SCHEDULED and _is_due(row, now)]
    for _, _, row in sorted(due, key=lambda each: each[:2]):
        tables.take_turn(row)
        tables.step(row, Step.RIPEN, now, due=row.job.due, reason=row.job.reason, failure=row.job.failure)


def sign(row: Row) -> Sign:
    """What the holder of a held job wrote last."""
    return Sign(row.job.id, row.job.claim, row.renewals, row.lease_s)


def renew(tables: Tables, lease: Lease, lease_s: float) -> Standing:
    """Extend the lease, unless it is lost."""
    row = tables.held(lease)
    if row is None:
        return Standing.LOST
    row.lease_s, row.renewals = lease_s, row.renewals + 1
    return tables.standing(row)


def standing(tables: Tables, lease: Lease) -> Standing:
    """What the lease is worth now."""
    row = tables.held(lease)
    return Standing.LOST if row is None else tables.standing(row)


def begin(tables: Tables, lease: Lease, now: datetime) -> Standing:
    """Note that the paid part begins, if the lease is still good."""
    worth = standing(tables, lease)
    if worth is Standing.HELD:
        tables.pull_requests[key_of(lease.job)].last_began = now
    return worth


def begin_post(tables: Tables, lease: Lease, now: datetime) -> Standing:
    """Note that a post begins, if the lease is still good."""
    worth = standing(tables, lease)
    if worth is Standing.HELD:
        tables.pull_requests[key_of(lease.job)].post_began = now
    return worth


@dataclass(frozen=True, slots=True)
class Close:
    """How a hold ended, for the record."""

    outcome: str
    reason: str | None
    failure: str | None
    cost: AttemptCost


def close_attempt(tables: Tables, row: Row, close: Close, now: datetime) -> None:
    """Write down how this hold ended."""
    for index, attempt in enumerate(tables.attempts):
        if (attempt.job, attempt.claim) == (row.job.id, row.job.claim):
            tables.attempts[index] = replace(
                attempt, ended=now, outcome=close.outcome, reason=close.reason, failure=close.failure, cost=close.cost
            )


def _is_due(row: Row, now: datetime) -> bool:
    return row.job.due is not None and row.job.due <= now


def _may_run(tables: Tables, row: Row, capacity: Capacity) -> bool:
    running = tables.running()
    if any(key_of(other.job) == key_of(row.job) for other in running):
        return False
    return room_in_repository(tables, row.job.repository_id, capacity)


def room_in_repository(tables: Tables, repository_id: int, capacity: Capacity) -> bool:
    """Whether one more job of this repository may run."""
    of_repository = sum(other.job.repository_id == repository_id for other in tables.running())
    return capacity.per_repository == 0 or of_repository < capacity.per_repository
