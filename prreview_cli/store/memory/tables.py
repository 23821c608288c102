"""What the memory store holds, and the few ways to move a job in it.

A job moves only by `Tables.step`, which asks `core.job.after`: the reference cannot leave the table.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from prreview_cli.core.circuit import Circuit, Service
from prreview_cli.core.durations import REVIEW_BOUNDS_S, Durations
from prreview_cli.core.job import WAITING, Job, Lease, Standing, State, Step, after
from prreview_cli.core.pace import Taken
from prreview_cli.core.ports.store import Attempt, Beat, DeliveryRecord, Ended, Pause, gist_of
from prreview_cli.core.review import Review, Usage
from prreview_cli.store import wording

Key = tuple[int, int]
"""(repository id, number): a pull request."""


@dataclass(slots=True)
class PullRequest:
    """What is known of a pull request. `head_sha` is its newest head; `cancelled` says why none is wanted.
    Only the job whose generation is this one may go on."""

    updated_at: datetime
    generation: int = 0
    head_sha: str | None = None
    cancelled: str | None = None
    last_began: datetime | None = None
    post_began: datetime | None = None
    min_interval_s: float = 0.0


@dataclass(slots=True)
class Row:
    """A job with what its port type does not show: its turn, who holds it, for how long since the last renewal, and whether
    for itself alone."""

    job: Job
    alone: bool = False
    tag: int = 0
    worker: str | None = None
    lease_s: float = 0.0
    renewals: int = 0


@dataclass(slots=True)
class Call:
    """A model call on the bill; `settled` once its real cost is known."""

    job: str | None
    key: Key | None
    reserved: datetime
    usage: Usage
    status: int | None = None
    settled: bool = False


@dataclass(slots=True)
class Tables:
    """Everything, as plain collections. Jobs are kept in the order of their age."""

    jobs: dict[str, Row] = field(default_factory=dict)
    pull_requests: dict[Key, PullRequest] = field(default_factory=dict)
    deliveries: list[DeliveryRecord] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    reviews: dict[str, Review] = field(default_factory=dict)
    stored: dict[str, datetime] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    old_calls: list[Call] = field(default_factory=list)
    turns: dict[int, int] = field(default_factory=dict)
    overtaken: int = 0
    beats: dict[str, Beat] = field(default_factory=dict)
    locks: set[str] = field(default_factory=set)
    pause: Pause | None = None
    circuits: dict[Service, Circuit] = field(default_factory=lambda: {service: Circuit(service) for service in Service})
    taken: Taken = field(default_factory=Taken)
    facts: dict[str, str] = field(default_factory=dict)
    jobs_made: int = 0
    reviews_took: Durations = field(default_factory=lambda: Durations(REVIEW_BOUNDS_S))

    def of_pull_request(self, key: Key, states: Iterable[State]) -> list[Row]:
        """Its jobs in these states, oldest first."""
        return [row for row in self.jobs.values() if key_of(row.job) == key and row.job.state in states]

    def running(self) -> list[Row]:
        """All held jobs."""
        return [row for row in self.jobs.values() if row.job.state is State.RUNNING]

    def held(self, lease: Lease) -> Row | None:
        """The job of a lease that is not LOST."""
        row = self.jobs.get(lease.job.id)
        if row is None or row.job.state is not State.RUNNING or row.job.claim != lease.job.claim:
            return None
        return row

    def standing(self, row: Row) -> Standing:
        """What the hold on a running job is worth."""
        known = self.pull_requests[key_of(row.job)]
        if row.job.generation == known.generation:
            return Standing.HELD
        return Standing.CANCELLED if known.cancelled is not None else Standing.SUPERSEDED

    def paused(self, now: datetime) -> Pause | None:
        """The pause in force."""
        pause = self.pause
        return None if pause is None or (pause.until is not None and pause.until <= now) else pause

    def barred(self, now: datetime) -> bool:
        """Whether a circuit keeps jobs from being taken."""
        return any(circuit.shut_until(now) is not None or self._probed(circuit) for circuit in self.circuits.values())

    def _probed(self, circuit: Circuit) -> bool:
        return circuit.since is not None and any((row.job.id, row.job.claim) == circuit.probe for row in self.running())

    def probe(self, lease: Lease) -> None:
        """The job just taken is the one that asks for all, where a service was down."""
        for service, circuit in self.circuits.items():
            if circuit.since is not None:
                self.circuits[service] = replace(circuit, probe=lease.fence)

    def step(self, row: Row, step: Step, now: datetime, **changes: Any) -> None:
        """Move a job. What it was held, due and blamed for is forgotten unless `changes` says it anew."""
        anew: dict[str, Any] = {"reason": None, "failure": None, "due": None, "updated": now, **changes}
        state = after(row.job.state, step)
        if state is not State.RUNNING:
            row.worker = None
        row.job = replace(row.job, state=state, **anew)

    def count_review(self, job: Job, now: datetime) -> None:
        """The hold on this job has ended with a posted review."""
        attempt = next(each for each in self.attempts if (each.job, each.claim) == (job.id, job.claim))
        self.reviews_took.add(max(0.0, (now - attempt.started).total_seconds()))

    def ended(self, job: Job) -> Ended:
        """A job at rest, with what it took and came to."""
        failures = [each.failure for each in self.attempts if each.job == job.id and each.failure is not None]
        usage = sum((call.usage for call in self.calls.values() if call.job == job.id), Usage())
        review = self.reviews.get(job.id)
        return Ended(job, usage, tuple(failures), None if review is None else gist_of(review))

    def take_turn(self, row: Row) -> None:
        """Queue up behind the last waiting job of the same repository, or else behind the running turn."""
        job = row.job
        ahead = [
            other.tag
            for other in self.jobs.values()
            if other is not row
            and other.job.state is State.QUEUED
            and (other.job.repository_id, other.job.priority) == (job.repository_id, job.priority)
        ]
        row.tag = 1 + max([self.turns.get(job.priority, 0), *ahead])

    def supersede_waiting(self, key: Key, now: datetime) -> None:
        """A newer job of this pull request is about to wait."""
        for row in self.of_pull_request(key, WAITING):
            self.step(row, Step.SUPERSEDE, now, reason=wording.NEWER_HEAD)


def key_of(job: Job) -> Key:
    """The pull request of a job."""
    return job.repository_id, job.number
