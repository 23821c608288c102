"""Where a pull request stands at this moment and what it waits for, in one or two sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prreview_cli.cli.formats import duration, short_moment
from prreview_cli.core import errors, triggers
from prreview_cli.core.circuit import Circuit, Mode
from prreview_cli.core.job import Job, State
from prreview_cli.core.ports.store import Attempt, Beat, History, Pause
from prreview_cli.core.profile import Profile


@dataclass(frozen=True, slots=True)
class Present:
    """What the answer rests on. `running` are all held jobs of the queue, `pools` those that beat, `serving` whether a
    `serve` of this profile runs on this machine."""

    profile: Profile
    now: datetime
    pause: Pause | None
    pools: Sequence[Beat]
    running: Sequence[Job]
    serving: bool
    circuits: Sequence[Circuit] = ()

    @property
    def slots(self) -> int:
        """Of all pools; a review in the foreground beats too, and has none."""
        return sum(pool.slots for pool in self.pools)


def present(repository: str, history: History, at: Present) -> str:
    """Why nothing more happens now, or what will happen next."""
    if not history.jobs:
        return _no_job(repository, history, at)
    job = max(history.jobs, key=lambda each: (each.state is State.RUNNING, each.generation))
    waiting = [each for each in history.jobs if each.state in {State.QUEUED, State.SCHEDULED}]
    if job.state is State.RUNNING and waiting:
        return f"{_held(job, history.attempts, at)} Then {waiting[-1].id} is taken, for {waiting[-1].head_sha[:10]}."
    match job.state:
        case State.QUEUED:
            return f"{job.id} waits {_behind(job, at)}"
        case State.SCHEDULED:
            return _scheduled(job, at)
        case State.RUNNING:
            return _held(job, history.attempts, at)
    return _ended(job)


def _no_job(repository: str, history: History, at: Present) -> str:
    covered = triggers.covers(at.profile.host.repositories, repository)
    if not covered:
        return f"{repository} is not among host.repositories of this profile, so none of its deliveries leads to a review."
    if history.deliveries:
        return f"No job was made: {history.deliveries[-1].answer.reason} `prreview enqueue` queues it by hand."
    served = "" if at.serving else " No `serve` of this profile runs on this machine, so no delivery can arrive here."
    return (
        f"Nothing is known of it here: no delivery, no job.{served} See that the repository's webhook points here and sends "
        "pull_request events, and that the name is right; or queue it with `prreview enqueue`."
    )


def _behind(job: Job, at: Present) -> str:
    """What a queued job waits behind."""
    if at.pause is not None:
        until = "until `prreview resume`" if at.pause.until is None else f"until {short_moment(at.pause.until)}"
        return f"because the profile is paused, {until}: {at.pause.reason}"
    if not at.slots:
        return "because no worker pool is alive: start `prreview serve` or `prreview work`."
    shut = next((each for each in at.circuits if _shut(each, at)), None)
    if shut is not None:
        return f"because jobs are not taken now. {shut.told(at.now)}"
    workers, taken = at.profile.workers, len(at.running)
    slots = min(workers.count, at.slots)
    if taken >= slots:
        bound = "workers.count" if slots == workers.count else "the pools that beat have no more"
        return f"for a free slot: all {slots} are taken ({bound})."
    cap = workers.max_in_flight_per_repository
    if cap and sum(each.repository_id == job.repository_id for each in at.running) >= cap:
        return f"because {cap} of its repository are in flight, which is workers.max_in_flight_per_repository."
    return "to be taken at any moment."


def _shut(circuit: Circuit, at: Present) -> bool:
    """Whether nothing is taken because of it; a half-open circuit lets one job through."""
    if circuit.mode(at.now) is Mode.HALF_OPEN:
        return any((job.id, job.claim) == circuit.probe for job in at.running)
    return circuit.mode(at.now) is not Mode.CLOSED


def _scheduled(job: Job, at: Present) -> str:
    why = f" {job.reason}" if job.reason else ""
    if job.due is not None and job.due > at.now:
        due = f"{job.id} waits until {short_moment(job.due)}, in {duration((job.due - at.now).total_seconds())}.{why}"
        return due if at.pause is None and at.slots else f"{due} Then it waits {_behind(job, at)}"
    return f"{job.id} is due and waits {_behind(job, at)}{why}"


def _held(job: Job, attempts: Sequence[Attempt], at: Present) -> str:
    hold = next((each for each in reversed(attempts) if each.job == job.id and each.ended is None), None)
    if hold is None:
        return f"{job.id} is being reviewed."
    since = duration((at.now - hold.started).total_seconds())
    stage = "its review is stored and waits to be posted" if job.reviewed else "it is being reviewed"
    told = f"{job.id} has been held for {since} by worker {hold.worker}: {stage}."
    if all(pool.worker != hold.worker for pool in at.pools):
        return f"{told} That worker does not beat any more; the next pool that lives takes the job back."
    if at.pause is not None:
        return f"{told} The profile is paused, so no model call and no post is begun: {at.pause.reason}"
    return told


def _ended(job: Job) -> str:
    match job.state:
        case State.POSTED:
            return f"The review of {job.head_sha[:10]} stands on the host. Nothing more happens until the next push."
        case State.SUPERSEDED:
            return f"{job.id} ended for a newer head or run. If none follows, `prreview enqueue` queues the live head."
        case State.SKIPPED:
            reason = (job.reason or "no reason is recorded").rstrip(".")
            return f"{job.id} was skipped: {reason}. `prreview jobs retry {job.id}` queues it anew."
    return f"{job.id} is dead. {_remedy(job)}"


def _remedy(job: Job) -> str:
    """What the class of its failure says to do."""
    kinds = {failure.kind: failure.default_remedy for failure in errors.Failure.__subclasses__()}
    given = kinds.get(job.failure or "", "Read the log in the state folder.")
    if given.startswith("Nothing to do"):  # true of an attempt, and no longer of a job that was given up
        return f"It was tried as often as it may be; run `prreview jobs retry {job.id}` once the cause is gone."
    return given if "jobs retry" in given else f"{given} Then run `prreview jobs retry {job.id}`."
