"""Taking one named head's job, past the queue."""

from __future__ import annotations

from datetime import datetime

from prreview_cli.core.events import Answer, AnswerStatus
from prreview_cli.core.job import Lease, State, Step, Target
from prreview_cli.core.ports.store import Capacity
from prreview_cli.store.memory.holds import hold, room_in_repository
from prreview_cli.store.memory.requests import is_old, request
from prreview_cli.store.memory.tables import Tables


def take(
    tables: Tables, target: Target, worker: str, capacity: Capacity, min_interval_s: float, lease_s: float, now: datetime
) -> Lease | Answer | None:
    """Make sure that a job stands for this head and take it, if there is one to take and room for it."""
    if _leads_to_a_hold(tables, target) and not _room(tables, target, capacity, now):
        return None
    answer = request(tables, target, min_interval_s, now, alone=True)
    row = None if answer.job is None else tables.jobs[answer.job]
    if row is None or (answer.status is AnswerStatus.DUPLICATE and row.job.state is not State.QUEUED):
        return answer
    if row.job.state is State.SCHEDULED:
        tables.step(row, Step.RIPEN, now)
    return hold(tables, row, worker, lease_s, now)


def _leads_to_a_hold(tables: Tables, target: Target) -> bool:
    key = target.repository_id, target.number
    known = tables.pull_requests.get(key)
    if known is not None and is_old(known, target):
        return False
    runs = [row.job for row in tables.of_pull_request(key, State) if row.job.head_sha == target.head_sha]
    newest = max(runs, key=lambda job: job.run, default=None)
    if newest is None or target.again or (target.new_base and newest.base_ref != target.base_ref):
        return True
    return newest.state not in {State.RUNNING, State.POSTED, State.SCHEDULED}


def _room(tables: Tables, target: Target, capacity: Capacity, now: datetime) -> bool:
    if tables.paused(now) is not None or tables.barred(now) or len(tables.running()) >= capacity.reviews:
        return False
    if tables.of_pull_request((target.repository_id, target.number), {State.RUNNING}):
        return False
    return room_in_repository(tables, target.repository_id, capacity)
