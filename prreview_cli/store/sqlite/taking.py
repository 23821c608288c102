"""Taking one named head's job, past the queue, in the writer's transaction."""

from __future__ import annotations

import sqlite3

from prreview_cli.core.events import Answer, AnswerStatus
from prreview_cli.core.job import Lease, State, Target
from prreview_cli.core.ports.store import Capacity
from prreview_cli.store.sqlite import holds, lookups, requests


def take(
    db: sqlite3.Connection, target: Target, worker: str, capacity: Capacity, min_interval: int, lease: int, now: int
) -> Lease | Answer:
    """Make sure that a job stands for this head and take it; NoRoom, which undoes all of it, if it may not be taken now."""
    answer = requests.request(db, target, min_interval, now, alone=True)
    if answer.job is None:
        return answer
    if answer.status is AnswerStatus.DUPLICATE and not _is_queued(db, answer.job):
        return answer
    return holds.take(db, answer.job, worker, capacity, lease, now)


def _is_queued(db: sqlite3.Connection, job_id: str) -> bool:
    job = lookups.get(db, job_id)
    return job is not None and job.state is State.QUEUED
