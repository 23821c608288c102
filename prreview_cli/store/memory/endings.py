"""How a hold on a job ends, and what an operator may do to a job."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from prreview_cli.core.job import (
    ENDED_WITHOUT_REVIEW,
    WAITING,
    AttemptCost,
    Dead,
    Job,
    Lease,
    Outcome,
    Posted,
    Retry,
    Standing,
    State,
    Step,
    Superseded,
    Target,
)
from prreview_cli.store import rulings, wording
from prreview_cli.store.leases import Sign
from prreview_cli.store.memory.holds import Close, close_attempt, sign
from prreview_cli.store.memory.requests import is_old, request
from prreview_cli.store.memory.tables import Row, Tables, key_of


def settle(tables: Tables, lease: Lease, outcome: Outcome, cost: AttemptCost, now: datetime) -> bool:
    """End the hold as the worker says, or as what happened meanwhile demands."""
    row = tables.held(lease)
    if row is None:
        return False
    failure = outcome.failure if isinstance(outcome, Retry | Dead) else None
    close_attempt(tables, row, Close(rulings.NAMES[type(outcome)], outcome.reason, failure, cost), now)
    ending = rulings.of_outcome(outcome, _facts(tables, row, lease, outcome), now)
    _end(tables, row, ending, now)
    match outcome:
        case Posted(review_id=review_id):
            tables.count_review(row.job, now)
            row.job = replace(row.job, review_id=review_id)
            tables.pull_requests[key_of(row.job)].post_began = None
            if row.job.id in tables.reviews:
                tables.reviews[row.job.id] = tables.reviews[row.job.id].posted_as(review_id)
        case Superseded(live=Target() as live) if ending.step is Step.SUPERSEDE and not row.alone:
            request(tables, live, tables.pull_requests[key_of(row.job)].min_interval_s, now)
        case Dead(whole_repository=True):
            _end_repository(tables, row.job, now)
    return True


def rescue(tables: Tables, dead: AbstractSet[str], over: AbstractSet[Sign], max_attempts: int, now: datetime) -> list[Job]:
    """Take back the jobs of these workers, and those whose lease is over."""
    lost = [row for row in tables.running() if row.worker in dead or sign(row) in over]
    for row in lost:
        close_attempt(tables, row, Close(rulings.RESCUED, wording.WORKER_DIED, wording.WORKER_DIED_KIND, AttemptCost()), now)
        _end(tables, row, rulings.of_death(row.job.attempts, max_attempts, _facts(tables, row), now), now)
    return [row.job for row in lost]


def cancel(tables: Tables, job_id: str, reason: str, now: datetime) -> Job | None:
    """Skip a waiting job, or take a running one's standing."""
    row = tables.jobs.get(job_id)
    if row is None:
        return None
    if row.job.state in WAITING:
        tables.step(row, Step.SKIP, now, reason=reason)
        return row.job
    if row.job.state is not State.RUNNING:
        return None
    if tables.standing(row) is Standing.HELD:
        known = tables.pull_requests[key_of(row.job)]
        known.generation += 1
        known.cancelled = reason
    return row.job


def retry(tables: Tables, job_id: str, now: datetime) -> Job | None:
    """Queue a job that ended without a review anew."""
    row = tables.jobs.get(job_id)
    if row is None or row.job.state not in ENDED_WITHOUT_REVIEW:
        return None
    key = key_of(row.job)
    if tables.of_pull_request(key, WAITING):
        return None
    if any(tables.standing(other) is Standing.HELD for other in tables.of_pull_request(key, {State.RUNNING})):
        return None
    known = tables.pull_requests[key]
    known.generation += 1
    row.job, row.alone = replace(row.job, generation=known.generation, attempts=0), False
    tables.take_turn(row)
    tables.step(row, Step.REVIVE, now, due=now)
    return row.job


def _facts(tables: Tables, row: Row, lease: Lease | None = None, outcome: Outcome | None = None) -> rulings.Facts:
    known = tables.pull_requests[key_of(row.job)]
    live = outcome.live if isinstance(outcome, Superseded) else None
    return rulings.Facts(
        standing=tables.standing(row),
        rival=bool(tables.of_pull_request(key_of(row.job), WAITING)),
        cancelled=known.cancelled,
        admitted_meanwhile=lease is not None and row.job.admitted and not lease.job.admitted,
        asked_again=lease is not None and row.job.generation != lease.job.generation,
        host_behind=live is not None and is_old(known, live),
        alone=row.alone,
    )


def _end(tables: Tables, row: Row, ending: rulings.Ending, now: datetime) -> None:
    row.job = replace(row.job, attempts=row.job.attempts + ending.charged)
    if ending.step is Step.RESCUE:  # a job handed back keeps its turn; one that killed its worker queues up again
        tables.take_turn(row)
    tables.step(row, ending.step, now, reason=ending.reason, failure=ending.failure, due=ending.due)


def _end_repository(tables: Tables, dead: Job, now: datetime) -> None:
    for row in tables.jobs.values():
        if row.job.repository_id == dead.repository_id and row.job.state in WAITING:
            tables.step(row, Step.DIE, now, reason=dead.reason, failure=dead.failure)
