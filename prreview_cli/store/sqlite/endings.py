"""How a hold on a job ends, and what an operator may do to a job."""

from __future__ import annotations

import sqlite3
from collections.abc import Set as AbstractSet
from typing import Any

from prreview_cli.core.durations import REVIEW_BOUNDS_S, Durations
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
from prreview_cli.store.sqlite.holds import held, sign
from prreview_cli.store.sqlite.queries import load
from prreview_cli.store.sqlite.requests import is_old, queue_up, request
from prreview_cli.store.sqlite.rows import job, millis, moment, one, plain, row_id

_SQL = load("jobs.sql")
_REVIEWS = load("reviews.sql")


def settle(db: sqlite3.Connection, lease: Lease, outcome: Outcome, cost: AttemptCost, now: int) -> bool:
    """End the hold as the worker says, or as what happened meanwhile demands."""
    row = held(db, lease)
    if row is None:
        return False
    failure = outcome.failure if isinstance(outcome, Retry | Dead) else None
    _close(db, row, rulings.NAMES[type(outcome)], outcome.reason, failure, cost, now)
    ending = rulings.of_outcome(outcome, _facts(db, row, lease, outcome), moment(now))
    _end(db, row["id"], ending, now)
    match outcome:
        case Posted(review_id=review_id):
            for query in ("posted", "stands"):
                db.execute(_REVIEWS[query], {"job": row["id"], "review_id": review_id})
            db.execute(_SQL["post_began"], {"repository_id": row["repository_id"], "number": row["number"], "at": None})
            _count(db, row, now)
        case Superseded(live=Target() as live) if ending.step is Step.SUPERSEDE and not row["alone"]:
            request(db, live, row["min_interval"], now)
        case Dead(whole_repository=True, reason=reason):
            died = {"reason": plain(reason), "failure": failure, "now": now}
            db.execute(_SQL["end_repository"], {"repository_id": row["repository_id"], **died})
    return True


def rescue(db: sqlite3.Connection, dead: AbstractSet[str], over: AbstractSet[Sign], max_attempts: int, now: int) -> list[Job]:
    """Take back the jobs of these workers, and those whose lease is over: whoever has renewed it meanwhile keeps it."""
    lost = [row for row in db.execute(_SQL["held"]).fetchall() if row["worker"] in dead or sign(row) in over]
    return [_rescued(db, row, max_attempts, now) for row in sorted(lost, key=lambda row: int(row["id"]))]


def _rescued(db: sqlite3.Connection, row: sqlite3.Row, max_attempts: int, now: int) -> Job:
    _close(db, row, rulings.RESCUED, wording.WORKER_DIED, wording.WORKER_DIED_KIND, AttemptCost(), now)
    return job(_end(db, row["id"], rulings.of_death(row["attempts"], max_attempts, _facts(db, row), moment(now)), now))


def cancel(db: sqlite3.Connection, job_id: str, reason: str, now: int) -> Job | None:
    """Skip a waiting job, or take a running one's standing."""
    row = one(db, _SQL["job"], {"id": row_id(job_id)})
    if row is None:
        return None
    state = State(row["state"])
    if state in WAITING:
        return job(_end(db, row["id"], rulings.Ending(Step.SKIP, reason), now))
    if state is not State.RUNNING:
        return None
    hold = one(db, _SQL["hold"], {"id": row["id"], "claim": row["claim"]})
    if hold["standing"] == Standing.HELD:
        db.execute(_SQL["withdraw"], {"repository_id": row["repository_id"], "number": row["number"], "reason": plain(reason)})
    return job(row)


def retry(db: sqlite3.Connection, job_id: str, now: int) -> Job | None:
    """Queue a job that ended without a review anew."""
    row = one(db, _SQL["job"], {"id": row_id(job_id)})
    if row is None or State(row["state"]) not in ENDED_WITHOUT_REVIEW:
        return None
    key = {"repository_id": row["repository_id"], "number": row["number"]}
    if one(db, _SQL["of_pull_request"], key)[0]:
        return None
    generation = one(db, _SQL["next_generation"], key)["generation"]
    db.execute(_SQL["recall"], {"id": row["id"], "generation": generation})
    db.execute(_SQL["forgive"], {"id": row["id"]})
    return job(queue_up(db, row["id"], State.QUEUED, now, now))


def _facts(db: sqlite3.Connection, row: Any, lease: Lease | None = None, outcome: Outcome | None = None) -> rulings.Facts:
    live = outcome.live if isinstance(outcome, Superseded) else None
    behind = live is not None and is_old(
        one(db, _SQL["pull_request"], {"repository_id": row["repository_id"], "number": row["number"]}), live
    )
    return rulings.Facts(
        standing=Standing(row["standing"]),
        rival=bool(row["rival"]),
        cancelled=row["cancelled"],
        admitted_meanwhile=lease is not None and bool(row["admitted"]) and not lease.job.admitted,
        asked_again=lease is not None and row["generation"] != lease.job.generation,
        host_behind=behind,
        alone=bool(row["alone"]),
    )


def _end(db: sqlite3.Connection, row_id: int, ending: rulings.Ending, now: int) -> sqlite3.Row:
    if ending.step is Step.RESCUE:  # a job handed back keeps its turn; one that killed its worker queues up again
        db.execute(_SQL["take_turn"], {"id": row_id})
    due = None if ending.due is None else millis(ending.due)
    said = {"reason": plain(ending.reason), "failure": ending.failure, "due": due, "charged": ending.charged}
    row: sqlite3.Row = one(db, _SQL["move"], {"id": row_id, "state": ending.state.value, "now": now, **said})
    return row


def _count(db: sqlite3.Connection, row: Any, now: int) -> None:
    took = max(0, now - one(db, _SQL["attempt_began"], {"id": row["id"], "claim": row["claim"]})["started"])
    db.execute(_SQL["count_review"], {"place": Durations(REVIEW_BOUNDS_S).place(took / 1000), "took": took})


def _close(db: sqlite3.Connection, row: Any, outcome: str, reason: str | None, failure: str | None, cost: AttemptCost, now: int) -> None:
    how = {"outcome": outcome, "reason": plain(reason), "failure": failure, "model_calls": cost.model_calls, "usd": cost.usd}
    db.execute(_SQL["close_attempt"], {"id": row["id"], "claim": row["claim"], "now": now, **how})
