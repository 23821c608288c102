"""From a decision to a job that stands for it: the rules of `Jobs.accept` and `Jobs.request`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from prreview_cli.core.events import Answer, AnswerStatus, Cancel, Decision, Ignore, Review
from prreview_cli.core.job import ENDED_WITHOUT_REVIEW, WAITING, Job, State, Step, Target
from prreview_cli.store import wording
from prreview_cli.store.memory.tables import PullRequest, Row, Tables


def decide(tables: Tables, decision: Decision, min_interval_s: float, now: datetime) -> Answer:
    """What a decision leads to."""
    match decision:
        case Ignore(reason=reason):
            return Answer(AnswerStatus.IGNORED, reason)
        case Cancel():
            return cancel(tables, decision, now)
        case Review(target=target):
            return request(tables, target, min_interval_s, now)


def cancel(tables: Tables, decision: Cancel, now: datetime) -> Answer:
    """No job of this pull request should go on."""
    key = decision.repository_id, decision.number
    known = tables.pull_requests.setdefault(key, PullRequest(decision.updated_at))
    if decision.updated_at < known.updated_at:
        return Answer(AnswerStatus.SUPERSEDED, wording.OLDER_EVENT)
    known.updated_at = decision.updated_at
    known.generation += 1
    known.cancelled = decision.reason
    for row in tables.of_pull_request(key, WAITING):
        tables.step(row, Step.SKIP, now, reason=decision.reason)
    return Answer(AnswerStatus.IGNORED, decision.reason)


def request(tables: Tables, target: Target, min_interval_s: float, now: datetime, *, alone: bool = False) -> Answer:
    """Make sure that a job stands for this head; `alone`: for whoever is about to take it, and nobody else."""
    key = target.repository_id, target.number
    known = tables.pull_requests.setdefault(key, PullRequest(target.updated_at, head_sha=target.head_sha))
    if is_old(known, target):
        return Answer(AnswerStatus.SUPERSEDED, wording.OLDER_EVENT)
    known.min_interval_s = min_interval_s
    runs = [row for row in tables.of_pull_request(key, State) if row.job.head_sha == target.head_sha]
    newest = max(runs, key=lambda row: row.job.run, default=None)
    if newest is None:
        answer = _make(tables, known, target, 0, now)
    elif newest.job.state in ENDED_WITHOUT_REVIEW:
        answer = _revive(tables, known, newest, target, now)
    elif target.again or (target.new_base and newest.job.base_ref != target.base_ref):
        answer = _make(tables, known, target, newest.job.run + 1, now)
    else:
        answer = _duplicate(tables, known, newest, target, now)
    if answer.job is not None:
        row = tables.jobs[answer.job]
        row.alone = alone and (row.alone or answer.status is AnswerStatus.QUEUED)
    known.head_sha, known.cancelled = target.head_sha, None
    known.updated_at = max(known.updated_at, target.updated_at)
    return answer


def is_old(known: PullRequest, target: Target) -> bool:
    """Whether a newer event has made another head, or none, the wanted one."""
    return target.updated_at < known.updated_at and (known.cancelled is not None or known.head_sha != target.head_sha)


def _duplicate(tables: Tables, known: PullRequest, newest: Row, target: Target, now: datetime) -> Answer:
    """The head has its job. It is made the wanted one again if something else was wanted meanwhile."""
    key = target.repository_id, target.number
    newest.job = replace(newest.job, admitted=newest.job.admitted or target.admitted)
    if newest.job.state is State.RUNNING and newest.job.generation != known.generation:
        tables.supersede_waiting(key, now)
        known.generation += 1
        newest.job = replace(newest.job, generation=known.generation)
    elif newest.job.state is State.POSTED and (known.cancelled is not None or known.head_sha != target.head_sha):
        tables.supersede_waiting(key, now)
        known.generation += 1
    return Answer(AnswerStatus.DUPLICATE, wording.DUPLICATE[newest.job.state], newest.job.id)


def _make(tables: Tables, known: PullRequest, target: Target, run: int, now: datetime) -> Answer:
    tables.supersede_waiting((target.repository_id, target.number), now)
    known.generation += 1
    tables.jobs_made += 1
    due = _due(known, now)
    job = Job(
        id=f"j{tables.jobs_made:08d}",
        repository_id=target.repository_id,
        repository=target.repository,
        number=target.number,
        head_sha=target.head_sha,
        base_ref=target.base_ref,
        run=run,
        state=State.SCHEDULED if due > now else State.QUEUED,
        attempts=0,
        claim=0,
        generation=known.generation,
        priority=target.priority,
        author=target.author,
        admitted=target.admitted,
        reviewed=False,
        reason=None,
        failure=None,
        created=now,
        updated=now,
        due=due,
    )
    row = Row(job)
    tables.take_turn(row)
    tables.jobs[job.id] = row
    return queued(job)


def _revive(tables: Tables, known: PullRequest, row: Row, target: Target, now: datetime) -> Answer:
    """The same job once more. A review that was stored for it serves again, unless the base is another."""
    job = row.job
    tables.supersede_waiting((target.repository_id, target.number), now)
    known.generation += 1
    due = _due(known, now)
    row.job = replace(
        job,
        repository=target.repository,
        base_ref=target.base_ref,
        author=target.author,
        priority=target.priority,
        admitted=job.admitted or target.admitted,
        reviewed=job.reviewed and job.base_ref == target.base_ref,
        generation=known.generation,
        attempts=0,
    )
    tables.take_turn(row)
    tables.step(row, Step.REVIVE, now, due=due)
    if due > now:
        tables.step(row, Step.POSTPONE, now, due=due)
    return queued(row.job)


def _due(known: PullRequest, now: datetime) -> datetime:
    """A beginning that lies in the future (the clock was set back) counts as now: nobody waits for a mistake."""
    if known.last_began is None:
        return now
    return max(now, min(known.last_began, now) + timedelta(seconds=known.min_interval_s))


def queued(job: Job) -> Answer:
    """The answer for a job that was made or revived."""
    return Answer(AnswerStatus.QUEUED, wording.SCHEDULED if job.state is State.SCHEDULED else wording.QUEUED, job.id)
