"""The JSON of jobs, deliveries and attempts (SPEC §9), and how times and ages read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prreview_cli.core.job import Job
from prreview_cli.core.ports.store import Attempt, DeliveryRecord


def moment(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def short_moment(at: datetime | None) -> str:
    """For people: date and time to the second, in UTC."""
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def duration(seconds: float) -> str:
    """For people: 42 s, 3 min 20 s, 5 h 12 min, 2 d 3 h."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3_600} h {whole % 3_600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3_600} h"


def times(count: int, what: str) -> str:
    """For people: 1 model call, 2 model calls."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def ending(attempt: Attempt) -> str:
    """For people: how an attempt ended."""
    return (attempt.outcome or "").replace("hand_back", "handed back")


def job_json(job: Job) -> dict[str, Any]:
    """A job as `jobs list` and `why` give it."""
    return {
        "id": job.id,
        "repository": job.repository,
        "number": job.number,
        "head_sha": job.head_sha,
        "run": job.run,
        "state": job.state.value,
        "attempts": job.attempts,
        "failure": job.failure,
        "reason": job.reason,
        "review_id": job.review_id,
        "due": moment(job.due),
        "created": moment(job.created),
        "updated": moment(job.updated),
    }


def delivery_json(record: DeliveryRecord) -> dict[str, Any]:
    """A delivery and how it was answered."""
    delivery, answer = record.delivery, record.answer
    return {
        "delivery": delivery.id,
        "event": delivery.event,
        "action": delivery.action,
        "received": moment(delivery.received),
        "status": answer.status.value,
        "reason": answer.reason,
        "job": answer.job,
    }


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """One hold on a job."""
    return {
        "job": attempt.job,
        "claim": attempt.claim,
        "worker": attempt.worker,
        "started": moment(attempt.started),
        "ended": moment(attempt.ended),
        "outcome": attempt.outcome,
        "class": attempt.failure,
        "reason": attempt.reason,
        "model_calls": attempt.cost.model_calls,
        "usd": attempt.cost.usd,
    }
