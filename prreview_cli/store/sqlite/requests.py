"""From a decision to a job that stands for it: the rules of `Jobs.accept` and `Jobs.request`, in the writer's transaction."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from prreview_cli.core.events import Answer, AnswerStatus, Cancel, Decision, Delivery, Ignore, Review
from prreview_cli.core.job import ENDED_WITHOUT_REVIEW, State, Target
from prreview_cli.store import wording
from prreview_cli.store.sqlite.queries import load
from prreview_cli.store.sqlite.rows import job_id, millis, one

_SQL = load("jobs.sql")


def accept(db: sqlite3.Connection, delivery: Delivery, decision: Decision, min_interval: int, now: int) -> tuple[Answer, int]:
    """Decide, and record the delivery with its answer; the row it is recorded in."""
    answer = _decide(db, decision, min_interval, now)
    row = {
        "delivery": delivery.id,
        "event": delivery.event,
        "action": delivery.action,
        "received": millis(delivery.received),
        "repository_id": delivery.repository_id,
        "repository": delivery.repository,
        "number": delivery.number,
        "head_sha": delivery.head_sha,
        "status": answer.status.value,
        "reason": answer.reason,
        "job": answer.job,
    }
    return answer, db.execute(_SQL["insert_delivery"], row).lastrowid or 0


def _decide(db: sqlite3.Connection, decision: Decision, min_interval: int, now: int) -> Answer:
    match decision:
        case Ignore(reason=reason):
            return Answer(AnswerStatus.IGNORED, reason)
        case Cancel():
            return cancel(db, decision, now)
        case Review(target=target):
            return request(db, target, min_interval, now)


def cancel(db: sqlite3.Connection, decision: Cancel, now: int) -> Answer:
    """No job of this pull request should go on."""
    key = {"repository_id": decision.repository_id, "number": decision.number}
    known = one(db, _SQL["pull_request"], key)
    updated_at = millis(decision.updated_at)
    if known is not None and updated_at < known["updated_at"]:
        return Answer(AnswerStatus.SUPERSEDED, wording.OLDER_EVENT)
    db.execute(_SQL["unwant"], {**key, "updated_at": updated_at, "reason": decision.reason})
    if known is not None:
        db.execute(_SQL["end_waiting"], {**key, "state": State.SKIPPED.value, "reason": decision.reason, "now": now})
    return Answer(AnswerStatus.IGNORED, decision.reason)


def request(db: sqlite3.Connection, target: Target, min_interval: int, now: int, *, alone: bool = False) -> Answer:
    """Make sure that a job stands for this head; `alone`: for whoever is about to take it, and nobody else."""
    key = {"repository_id": target.repository_id, "number": target.number}
    known = one(db, _SQL["pull_request"], key)
    if known is None:
        return _make(db, target, _Plan(None, min_interval, now, alone), 0)
    if is_old(known, target):
        return Answer(AnswerStatus.SUPERSEDED, wording.OLDER_EVENT)
    plan = _Plan(known, min_interval, now, alone)
    newest = one(db, _SQL["newest_run"], {**key, "head_sha": target.head_sha})
    if newest is None:
        return _make(db, target, plan, 0)
    if State(newest["state"]) in ENDED_WITHOUT_REVIEW:
        return _revive(db, target, plan, newest["id"])
    if target.again or (target.new_base and newest["base_ref"] != target.base_ref):
        return _make(db, target, plan, newest["run"] + 1)
    return _duplicate(db, target, plan, newest)


def is_old(known: sqlite3.Row, target: Target) -> bool:
    """Whether a newer event has made another head, or none, the wanted one."""
    newer = known["cancelled"] is not None or known["head_sha"] != target.head_sha
    return bool(millis(target.updated_at) < known["updated_at"] and newer)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a request starts from, and what follows for a job that it makes. Milliseconds."""

    known: Any  # the row of `pull_request`, or None
    min_interval: int
    now: int
    alone: bool

    @property
    def due(self) -> int:
        """A beginning that lies in the future (the clock was set back) counts as now: nobody waits for a mistake."""
        began = None if self.known is None else self.known["last_began"]
        return self.now if began is None else max(self.now, min(began, self.now) + self.min_interval)

    @property
    def generation(self) -> int:
        """The pull request's, so far."""
        return 0 if self.known is None else int(self.known["generation"])

    @property
    def state(self) -> State:
        """Of the job that is made or revived."""
        return State.SCHEDULED if self.due > self.now else State.QUEUED

    def answer(self, row_id: int) -> Answer:
        """For the job that was made or revived."""
        reason = wording.SCHEDULED if self.state is State.SCHEDULED else wording.QUEUED
        return Answer(AnswerStatus.QUEUED, reason, job_id(row_id))


def _make(db: sqlite3.Connection, target: Target, plan: _Plan, run: int) -> Answer:
    _want(db, target, plan, plan.generation + 1)
    row = {
        "repository_id": target.repository_id,
        "repository": target.repository,
        "number": target.number,
        "head_sha": target.head_sha,
        "base_ref": target.base_ref,
        "run": run,
        "state": plan.state.value,
        "generation": plan.generation + 1,
        "priority": target.priority,
        "author": target.author,
        "admitted": target.admitted,
        "alone": plan.alone,
        "now": plan.now,
        "due": plan.due,
    }
    made = db.execute(_SQL["insert_job"], row).lastrowid
    return plan.answer(made or 0)


def _revive(db: sqlite3.Connection, target: Target, plan: _Plan, row_id: int) -> Answer:
    _want(db, target, plan, plan.generation + 1)
    changes = {
        "id": row_id,
        "repository": target.repository,
        "base_ref": target.base_ref,
        "author": target.author,
        "priority": target.priority,
        "admitted": target.admitted,
        "alone": plan.alone,
        "generation": plan.generation + 1,
    }
    db.execute(_SQL["revive"], changes)
    queue_up(db, row_id, plan.state, plan.due, plan.now)
    return plan.answer(row_id)


def queue_up(db: sqlite3.Connection, row_id: int, state: State, due: int, now: int) -> sqlite3.Row:
    """Let a job wait anew, in a new turn."""
    db.execute(_SQL["take_turn"], {"id": row_id})
    anew = {"id": row_id, "state": state.value, "due": due, "reason": None, "failure": None, "charged": 0, "now": now}
    row: sqlite3.Row = one(db, _SQL["move"], anew)
    return row


def _duplicate(db: sqlite3.Connection, target: Target, plan: _Plan, newest: sqlite3.Row) -> Answer:
    """The head has its job. It is made the wanted one again if something else was wanted meanwhile."""
    if target.admitted:
        db.execute(_SQL["admit"], {"id": newest["id"]})
    if not plan.alone:
        db.execute(_SQL["share"], {"id": newest["id"]})
    state = State(newest["state"])
    lost = state is State.RUNNING and newest["generation"] != plan.generation
    moved = state is State.POSTED and _wants_other(plan.known, target)
    _want(db, target, plan, plan.generation + (lost or moved))
    if lost:
        db.execute(_SQL["recall"], {"id": newest["id"], "generation": plan.generation + 1})
    return Answer(AnswerStatus.DUPLICATE, wording.DUPLICATE[state], job_id(newest["id"]))


def _wants_other(known: Any, target: Target) -> bool:
    return known["cancelled"] is not None or known["head_sha"] != target.head_sha


def _want(db: sqlite3.Connection, target: Target, plan: _Plan, generation: int) -> None:
    """This head is the wanted one. A new generation ends what waits of an older one."""
    key = {"repository_id": target.repository_id, "number": target.number}
    if plan.known is not None and generation != plan.generation:
        db.execute(_SQL["end_waiting"], {**key, "state": State.SUPERSEDED.value, "reason": wording.NEWER_HEAD, "now": plan.now})
    wanted = {"head_sha": target.head_sha, "updated_at": millis(target.updated_at), "min_interval": plan.min_interval}
    db.execute(_SQL["want"], {**key, **wanted, "generation": generation})
