"""Looking at the queue, and clearing away what is old."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace

from prreview_cli.core.durations import REVIEW_BOUNDS_S, Durations
from prreview_cli.core.events import Delivery
from prreview_cli.core.job import WAITING, Job, State
from prreview_cli.core.ports.store import Depth, Ended, History
from prreview_cli.store.sqlite.bodies import GZIP
from prreview_cli.store.sqlite.queries import load
from prreview_cli.store.sqlite.rows import attempt, delivery_record, gist, job, maybe_moment, one, row_id, usage

_SQL = load("jobs.sql")
_POOLS = load("pools.sql")
_SPEND = load("spend.sql")
_ALL = -1  # SQLite's word for no LIMIT


def get(db: sqlite3.Connection, job_id: str) -> Job | None:
    """One job."""
    row = one(db, _SQL["job"], {"id": row_id(job_id)})
    return None if row is None else job(row)


def newest(db: sqlite3.Connection, states: Sequence[State], limit: int | None) -> list[Job]:
    """Jobs in these states, newest first. Each state by itself, so that the index gives the order."""
    at_most = _ALL if limit is None else limit
    if not states:
        return [job(row) for row in db.execute(_SQL["jobs"], {"limit": at_most}).fetchall()]
    rows = [row for state in set(states) for row in db.execute(_in_state(state), {"state": state.value, "limit": at_most}).fetchall()]
    return [job(row) for row in sorted(rows, key=lambda row: -row["id"])[:limit]]


def _in_state(state: State) -> str:
    if state in WAITING:
        return _SQL["jobs_waiting"]
    return _SQL["jobs_running" if state is State.RUNNING else "jobs_at_rest"]


def history(db: sqlite3.Connection, repository: str, number: int) -> History:
    """Everything about one pull request."""
    name = {"repository": repository, "number": number}
    return History(
        deliveries=[delivery_record(row) for row in db.execute(_SQL["deliveries_of"], name).fetchall()],
        jobs=[job(row) for row in db.execute(_SQL["jobs_of"], name).fetchall()],
        attempts=[attempt(row) for row in db.execute(_SQL["attempts_of"], name).fetchall()],
    )


def ended(db: sqlite3.Connection, since: int, until: int) -> list[Ended]:
    """The jobs that came to rest in a period. Row by row, so that no more than one review's text is held at a time."""
    with closing(db.execute(_SQL["ended"], {"since": since, "until": until})) as rows:
        return [_ended(db, row) for row in rows]


def _ended(db: sqlite3.Connection, row: sqlite3.Row) -> Ended:
    id_ = {"id": row["id"]}
    failures = [failed["failure"] for failed in db.execute(_SQL["failures_of"], id_).fetchall()]
    return Ended(job(row), usage(one(db, _SPEND["usage"], id_)), tuple(failures), None if row["body"] is None else gist(row["body"]))


def delivery_of(db: sqlite3.Connection, id_: str) -> Delivery | None:
    """The newest delivery of the host's id, with its body."""
    row = one(db, _SQL["delivery_of"], {"delivery": id_})
    if row is None:
        return None
    return replace(delivery_record(row).delivery, body=None if row["body"] is None else zlib.decompress(row["body"], wbits=GZIP))


def depth(db: sqlite3.Connection, now: int) -> Depth:
    """How full the queue is."""
    counted = {row["state"]: row["jobs"] for row in db.execute(_SQL["counts"]).fetchall()}
    oldest = one(db, _SQL["oldest_due"], {"now": now})
    return Depth({state: counted.get(state.value, 0) for state in State}, maybe_moment(oldest["due"]))


def review_seconds(db: sqlite3.Connection) -> Durations:
    """How long the holds took that ended as posted."""
    durations = Durations(REVIEW_BOUNDS_S)
    for row in db.execute(_SQL["review_times"]).fetchall():
        durations.counts[row["place"]] = row["reviews"]
        durations.total_s += row["took"] / 1000
    return durations


def workers(db: sqlite3.Connection) -> set[str]:
    """Those who hold a job, or have beaten and not left."""
    holding = {row["worker"] for row in db.execute(_SQL["held"]).fetchall()}
    return holding | {row["worker"] for row in db.execute(_POOLS["alive"], {"since": 0}).fetchall()}


def forget(db: sqlite3.Connection, workers: Iterable[str]) -> None:
    """Dead workers are no pools any more."""
    for worker in workers:
        db.execute(_POOLS["leave"], {"worker": worker})


def prune(db: sqlite3.Connection, before: int, limit: int) -> int:
    """Delete the oldest deliveries, then the oldest jobs at rest, up to the limit."""
    old_deliveries = {"before": before, "limit": limit}
    db.execute(_SQL["prune_bodies"], old_deliveries)
    deleted = db.execute(_SQL["prune_deliveries"], old_deliveries).rowcount
    old = db.execute(_SQL["old_jobs"], {"before": before, "limit": limit - deleted}).fetchall()
    for row in old:
        db.execute(_SQL["prune_attempts"], {"id": row["id"]})
        db.execute(_SQL["prune_job"], {"id": row["id"]})
    return deleted + len(old)
