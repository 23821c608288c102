"""Between rows and the core's types."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from prreview_cli.core.events import Answer, AnswerStatus, Delivery
from prreview_cli.core.job import AttemptCost, Job, State
from prreview_cli.core.ports.store import Attempt, DeliveryRecord, Gist, gist_of
from prreview_cli.core.review import Usage, from_json

NANO = 1_000_000_000
"""Nano-USD in one."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_JOB_ID = re.compile(r"j(\d{8,18})")


def millis(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND


def moment(millis: int) -> datetime:
    """The time of a row."""
    return _EPOCH + millis * _MILLISECOND


def maybe_moment(millis: int | None) -> datetime | None:
    """The time of a row, if there is one."""
    return None if millis is None else moment(millis)


def duration(seconds: float) -> int:
    """Milliseconds."""
    return round(seconds * 1000)


def job_id(row_id: int) -> str:
    """A job's id as the world sees it; ids sort by age."""
    return f"j{row_id:08d}"


def row_id(job_id: str) -> int:
    """The row of a job's id; 0, which is no row, for what is not an id of ours."""
    match = _JOB_ID.fullmatch(job_id)
    return 0 if match is None else int(match[1])


def plain(text: str | None) -> str | None:
    """Text that SQLite can hold: a lone surrogate (a model can write one) would be refused, and the job with it."""
    return None if text is None else text.encode(errors="replace").decode()


def one(db: sqlite3.Connection, sql: str, values: Mapping[str, Any]) -> Any:
    """The only row of a result, or None. An unfinished cursor would starve the checkpoint, so all is fetched."""
    rows = db.execute(sql, values).fetchall()
    return rows[0] if rows else None


def job(row: sqlite3.Row) -> Job:
    """A row of `job`."""
    return Job(
        id=job_id(row["id"]),
        repository_id=row["repository_id"],
        repository=row["repository"],
        number=row["number"],
        head_sha=row["head_sha"],
        base_ref=row["base_ref"],
        run=row["run"],
        state=State(row["state"]),
        attempts=row["attempts"],
        claim=row["claim"],
        generation=row["generation"],
        priority=row["priority"],
        author=row["author"],
        admitted=bool(row["admitted"]),
        reviewed=bool(row["reviewed"]),
        review_id=row["review_id"],
        reason=row["reason"],
        failure=row["failure"],
        created=moment(row["created"]),
        updated=moment(row["updated"]),
        due=maybe_moment(row["due"]),
    )


def attempt(row: sqlite3.Row) -> Attempt:
    """A row of `attempt`."""
    return Attempt(
        job=job_id(row["job"]),
        claim=row["claim"],
        worker=row["worker"],
        started=moment(row["started"]),
        ended=maybe_moment(row["ended"]),
        outcome=row["outcome"],
        failure=row["failure"],
        reason=row["reason"],
        cost=AttemptCost(row["model_calls"], row["usd"]),
    )


def delivery_record(row: sqlite3.Row) -> DeliveryRecord:
    """A row of `delivery`."""
    delivery = Delivery(
        id=row["delivery"],
        event=row["event"],
        action=row["action"],
        received=moment(row["received"]),
        repository_id=row["repository_id"],
        repository=row["repository"],
        number=row["number"],
        head_sha=row["head_sha"],
    )
    return DeliveryRecord(delivery, Answer(AnswerStatus(row["status"]), row["reason"], row["job"]))


def usage(row: sqlite3.Row) -> Usage:
    """A sum over `spend`."""
    return Usage(row["input_tokens"], row["output_tokens"], row["nano_usd"] / NANO, row["model_calls"])


def gist(body: str) -> Gist:
    """What a row of `review` comes to."""
    return gist_of(from_json(json.loads(body)))
