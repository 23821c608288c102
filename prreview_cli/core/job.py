"""The life of a job: the rule, then the table, then little code.

A job is the review of one pull request's head: its key is (repository id, number, head, run). The
database belongs to one environment and one host, so these are not repeated in it.

A job waits (`queued`, or `scheduled` until a time), is held by one worker (`running`), or rests.
It rests as `posted`, or without a review as `skipped`, `superseded` or `dead`. Storing the finished
review is a milestone and not a state of rest: a reviewed job that still has to be posted is
`scheduled`, or `running` while it is held; its review is paid for and is never asked for again.

Two laws hold besides the table, and the store enforces both by unique indexes: a pull request has
at most one waiting job and at most one running job. So a running job that would go back to waiting
while a newer one waits is superseded instead.

`claim` rises at every taking and never falls. It is the fencing token: whatever a worker writes
names the claim it holds, and is refused when the job has moved on. `attempts` counts only what the
job is to be blamed for: failures with a class, and workers that died holding it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from prreview_cli.core.marker import Marker


class State(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    POSTED = "posted"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"
    DEAD = "dead"


WAITING = frozenset({State.QUEUED, State.SCHEDULED})
AT_REST = frozenset({State.POSTED, State.SKIPPED, State.SUPERSEDED, State.DEAD})
ENDED_WITHOUT_REVIEW = AT_REST - {State.POSTED}


class Step(StrEnum):
    """What can happen to a job."""

    RIPEN = "ripen"  # its time has come
    CLAIM = "claim"  # a worker takes it
    REVIEWED = "reviewed"  # the finished review is stored, before anything is posted
    POST = "post"  # the review stands on the host
    RETRY = "retry"  # failed, to be tried again later; charged
    DEFER = "defer"  # waits for a time, uncharged (an interval, a reviewed job's post)
    HAND_BACK = "hand_back"  # given back uncharged: a pause, a drain
    SKIP = "skip"  # policy, closed, drafted, cancelled
    SUPERSEDE = "supersede"  # a newer head
    DIE = "die"  # failed for good
    RESCUE = "rescue"  # its worker died; charged
    REVIVE = "revive"  # a new delivery or an operator asks again
    POSTPONE = "postpone"  # revived, but its pull request was reviewed moments ago


TRANSITIONS: dict[tuple[State, Step], State] = {
    (State.SCHEDULED, Step.RIPEN): State.QUEUED,
    (State.QUEUED, Step.CLAIM): State.RUNNING,
    (State.RUNNING, Step.REVIEWED): State.RUNNING,
    (State.RUNNING, Step.POST): State.POSTED,
    (State.RUNNING, Step.RETRY): State.SCHEDULED,
    (State.RUNNING, Step.DEFER): State.SCHEDULED,
    (State.RUNNING, Step.HAND_BACK): State.QUEUED,
    (State.RUNNING, Step.SKIP): State.SKIPPED,
    (State.RUNNING, Step.SUPERSEDE): State.SUPERSEDED,
    (State.RUNNING, Step.DIE): State.DEAD,
    (State.RUNNING, Step.RESCUE): State.QUEUED,
    (State.QUEUED, Step.SKIP): State.SKIPPED,
    (State.SCHEDULED, Step.SKIP): State.SKIPPED,
    (State.QUEUED, Step.SUPERSEDE): State.SUPERSEDED,
    (State.SCHEDULED, Step.SUPERSEDE): State.SUPERSEDED,
    (State.QUEUED, Step.DIE): State.DEAD,
    (State.SCHEDULED, Step.DIE): State.DEAD,
    (State.SKIPPED, Step.REVIVE): State.QUEUED,
    (State.SUPERSEDED, Step.REVIVE): State.QUEUED,
    (State.DEAD, Step.REVIVE): State.QUEUED,
    (State.QUEUED, Step.POSTPONE): State.SCHEDULED,
}
"""The whole machine. What is not here cannot happen; the stores and their tests are held to it."""


def after(state: State, step: Step) -> State:
    """The state that `step` leads to; ValueError if the step is not possible from `state`."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise ValueError(f"A job that is {state} cannot {step}.") from None


@dataclass(frozen=True, slots=True)
class Target:
    """A head that should be reviewed, as a delivery, an operator or the host named it.

    `repository` is OWNER/NAME as last heard; the numeric `repository_id` is what counts.
    `updated_at` is the pull request's own time, by which two deliveries are put in order.
    `admitted`: the author passes the policy already, or a maintainer's label named this head.
    `new_base`: the base branch was changed, so a head reviewed against another one is reviewed again.
    `again`: an operator asks for a further review of the same head.
    """

    repository_id: int
    repository: str
    number: int
    head_sha: str
    base_ref: str
    updated_at: datetime
    author: str
    admitted: bool
    new_base: bool = False
    again: bool = False
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands in the queue. Times are UTC. `review_id` is the host's, once the review is posted."""

    id: str
    repository_id: int
    repository: str
    number: int
    head_sha: str
    base_ref: str
    run: int
    state: State
    attempts: int
    claim: int
    generation: int
    priority: int
    author: str
    admitted: bool
    reviewed: bool
    reason: str | None
    failure: str | None
    created: datetime
    updated: datetime
    due: datetime | None = None
    review_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job, until it expires or the job moves on. `job.claim` is the fence."""

    job: Job
    worker: str

    @property
    def fence(self) -> tuple[str, int]:
        """(job id, claim): what every write of this worker names."""
        return self.job.id, self.job.claim


class Standing(StrEnum):
    """What a lease is still worth."""

    HELD = "held"
    SUPERSEDED = "superseded"  # a newer head or run was accepted: stop, settle as superseded
    CANCELLED = "cancelled"  # closed, drafted or cancelled by hand: stop, settle as skipped
    LOST = "lost"  # another worker has it, or it was settled: stop, write nothing


# -- how a worker's hold on a job ends -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Posted:
    """The review stands on the host under this id. `reason` and `marker` are of an earlier one that was found there."""

    review_id: str
    reason: str | None = None
    marker: Marker | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not to be reviewed. `unadmitted` marks the author policy, which a label may overrule meanwhile."""

    reason: str
    unadmitted: bool = False


@dataclass(frozen=True, slots=True)
class Superseded:
    """The head is not the newest. `live` is the head the host names; a job for it is made sure of
    in the same transaction."""

    reason: str
    live: Target | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Failed with a class; to be tried again at `due`. Charged."""

    failure: str
    reason: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now; at `due`. Uncharged."""

    reason: str
    due: datetime


@dataclass(frozen=True, slots=True)
class HandBack:
    """Given back uncharged: a pause or a drain."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dead:
    """Failed for good, with a class. `whole_repository`: its other waiting jobs end the same way."""

    failure: str
    reason: str
    whole_repository: bool = False


Outcome = Posted | Skipped | Superseded | Retry | Defer | HandBack | Dead


@dataclass(frozen=True, slots=True)
class AttemptCost:
    """What one hold on a job used of the model."""

    model_calls: int = 0
    usd: float = 0.0

    def __add__(self, other: AttemptCost) -> AttemptCost:
        return AttemptCost(self.model_calls + other.model_calls, round(self.usd + other.usd, 6))
