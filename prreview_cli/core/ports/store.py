"""What must outlive every process: jobs, reviews, spend, switches and the pools that beat.

Every adapter keeps the promises written here; `tests/contract/` holds each of them to it. Two kinds
of write exist. A *durable* one returns only after it is on the disk (fsync) and is lost by no power
cut: an acceptance, a stored review, a settlement as posted, spend, a pause. The others may be lost
with the machine, never with a process; losing one only repeats work.

A write that names a `Lease` is fenced: it changes nothing, and says so, once the job has moved on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from prreview_cli.core.durations import Durations
from prreview_cli.core.events import Answer, Decision, Delivery
from prreview_cli.core.job import AttemptCost, Job, Lease, Outcome, Standing, State, Target
from prreview_cli.core.ports.circuits import Circuits, Turns
from prreview_cli.core.review import Review, ReviewStatus, Severity, Usage


@dataclass(frozen=True, slots=True)
class Capacity:
    """The bounds that hold for all processes on one queue together. 0 in `per_repository`: no cap of its own."""

    reviews: int
    per_repository: int = 0


@dataclass(frozen=True, slots=True)
class Depth:
    """How many jobs are in each state, and since when the oldest of the waiting ones has been due."""

    by_state: dict[State, int]
    oldest_due: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery as it was answered."""

    delivery: Delivery
    answer: Answer


@dataclass(frozen=True, slots=True)
class Attempt:
    """One hold on a job: who held it, from when to when, how it ended and what it cost.

    `outcome` is None while it is held; afterwards one of posted, skipped, superseded, retry, defer,
    hand_back, dead, rescued. `failure` is the class of a failure.
    """

    job: str
    claim: int
    worker: str
    started: datetime
    ended: datetime | None
    outcome: str | None
    failure: str | None
    reason: str | None
    cost: AttemptCost


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of one pull request, oldest first."""

    deliveries: list[DeliveryRecord] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Gist:
    """What a stored review comes to, without its texts."""

    status: ReviewStatus
    findings: dict[Severity, int]
    contract_version: str
    guidelines_version: str | None
    model: str


def gist_of(review: Review) -> Gist:
    """A review without its texts."""
    return Gist(review.status, review.counts(), review.contract_version, review.guidelines_version, review.model)


@dataclass(frozen=True, slots=True)
class Ended:
    """A job at rest: what all its attempts used of the model, the class of each that failed, and its review, if one is stored."""

    job: Job
    usage: Usage
    failures: tuple[str, ...] = ()
    review: Gist | None = None


class Jobs(Protocol):
    """The queue."""

    async def accept(self, delivery: Delivery, decision: Decision, min_interval_s: float, now: datetime) -> Answer:
        """Record a delivery and what it leads to, in one durable transaction; the answer is final.

        Every call writes a delivery record, duplicates too, so that the answer never rests on
        another transaction's fsync. The body, if the delivery has one, is kept beside it, after the
        answer and not durable: nobody waits for it, and losing it means only that it cannot be replayed.

        `Ignore` → ignored. `Cancel` older (`updated_at`) than what is known of the pull request →
        superseded; else its waiting jobs become skipped with the reason, a running one loses its
        standing (CANCELLED), and the answer is ignored with the reason.

        `Review`: see `request`.
        """

    async def request(self, target: Target, min_interval_s: float, now: datetime) -> Answer:
        """Make sure that a job stands for this head, as `accept` does for a `Review`; durable.

        Older (`updated_at`) than what is known of the pull request and another head than the newest
        one → superseded; a cancelled pull request has no newest head. Equal times: the later arrival
        is the newer.

        The head's newest run waits, runs or is posted → duplicate with its job (whose `admitted`
        is set if the target's is); a running one that had lost its standing has it again, and what of
        the pull request was wanted instead becomes superseded. A further run is made instead with `again`, and with `new_base` where
        the newest run has another `base_ref` (so that the same request, delivered twice, makes one).
        The newest run ended without a review → it is revived: queued anew, attempts 0, same id and
        run, claim unchanged. No run yet → a new job.

        Whenever a job is made or revived: the pull request's generation rises, its other waiting
        jobs become superseded, and a running one loses its standing (SUPERSEDED). The job is due at
        once, or `min_interval_s` after the last review of this pull request began, whichever is later
        (then it is `scheduled`). The answer is queued with its id.
        """

    async def claim(self, worker: str, capacity: Capacity, lease_s: float, now: datetime) -> Lease | None:
        """Take the next job, or None: none is due, the profile is paused, a bound is reached, or a circuit lets none through.

        Scheduled jobs whose time has come ripen first; one that was scheduled in the future (the clock was
        set back) waits from now on for as long as it was to wait. Order: priority (higher first), then turns
        between repositories (a flood from one delays another by one job at most), then age. A higher priority
        does not starve a lower one: of the claims in a row that leave a ready job of a lower priority behind,
        every fourth goes one priority down, of these every fourth one more, and so on. Never a
        job of a pull request that has a running one. In one transaction with the count of running
        jobs, so that `capacity` holds over all processes. `claim` rises; an attempt is opened.
        """

    async def take(
        self, target: Target, worker: str, capacity: Capacity, min_interval_s: float, lease_s: float, now: datetime
    ) -> Lease | Answer | None:
        """Make sure that a job stands for this head, as `request` does, and take exactly that job, in one durable
        transaction: no pool can take it in between. For whoever reviews one head now, outside the queue.

        None, and nothing is changed: the profile is paused, a bound is reached, a circuit lets none through, or a job of
        the pull request runs.
        An Answer as from `request` where there is nothing to take: the event is older than what is known, or the head's
        newest run runs, is posted, or is scheduled for later. A job that is made or revived is not held back by
        `min_interval_s`: somebody waits for it. Nobody else does, as long as no delivery and no `request` names
        its head: where such a job would wait again, or its worker dies, it is skipped and left to no pool.
        """

    async def renew(self, lease: Lease, lease_s: float) -> Standing:
        """Sign a lease that is HELD, SUPERSEDED or CANCELLED anew, for `lease_s` from now; LOST changes nothing."""

    async def standing(self, lease: Lease) -> Standing:
        """What the lease is worth now; reads only."""

    async def begin(self, lease: Lease, now: datetime) -> Standing:
        """Note that the paid part of this review begins now (`min_interval_s` counts from it), if HELD."""

    async def begin_post(self, lease: Lease, now: datetime) -> Standing:
        """Note that a post to this pull request begins now, if HELD; settling any of its jobs as Posted takes the note away."""

    async def post_under_way(self, lease: Lease) -> datetime | None:
        """When the latest post to the lease's pull request began, by whichever claim, whose outcome nobody wrote down."""

    async def settle(self, lease: Lease, outcome: Outcome, cost: AttemptCost, now: datetime) -> bool:
        """End the hold on a job as `outcome` says and close the attempt; False if the lease is LOST.

        Durable for Posted, Dead, Skipped and Superseded. `Superseded.live` is requested in the same
        transaction, unless nobody but the holder had asked for the job, with the interval of the pull request's last
        request; where it is older than what
        is known (the host's API lags behind its webhooks), a HELD job is scheduled to look again.
        Skipped or Superseded of a job that was asked for again since its claim queues it anew.
        A job that would wait again (Retry, Defer, HandBack) while another of its pull
        request waits, or after its standing was lost to a newer one, becomes superseded; after a
        cancellation, skipped. `Skipped(unadmitted=True)` of a job admitted meanwhile queues it anew.
        `Dead(whole_repository=True)` ends the repository's waiting jobs in the same way.
        """

    async def rescue(self, max_attempts: int, now: datetime) -> list[Job]:
        """Take back the jobs whose worker is dead and return them as they now stand; call it every second or so.

        A worker that beat and whose process has ended is seen at once. Any other is judged by its lease,
        whether its process lives (a stopped one does) or not: it is over once this process, looking again
        and again, has seen no renewal for the length of the lease on its own monotonic clock. What the
        time of day says counts for nothing, so a clock that jumps takes no job from a living worker; and one
        look counts for a third of a lease at most, so neither does an observer that was itself held up.
        A worker therefore gives up by itself when it could not renew for that long. Charged: queued again, dead with failure
        `worker_died` once `attempts` reaches `max_attempts`, superseded if a newer one waits, skipped
        if it was cancelled."""

    async def cancel(self, job_id: str, reason: str, now: datetime) -> Job | None:
        """Skip a waiting job, or take a running one's standing (CANCELLED); None if there is none such."""

    async def retry(self, job_id: str, now: datetime) -> Job | None:
        """Queue a dead, skipped or superseded job anew with attempts 0; None if there is none such
        or a job of its pull request is waiting, or running with its standing."""

    async def get(self, job_id: str) -> Job | None:
        """One job."""

    async def ended(self, since: datetime, until: datetime) -> list[Ended]:
        """The jobs that came to rest at or after `since` and before `until` and are at rest still, in that order.
        What was pruned is not among them."""

    async def list(self, states: Sequence[State], limit: int | None) -> list[Job]:
        """Jobs in these states (all, if empty), newest first."""

    async def history(self, repository: str, number: int) -> History:
        """Everything about OWNER/NAME#N, the name compared without regard to case."""

    async def delivery(self, id_: str) -> Delivery | None:
        """The newest delivery to which the host gave this id, with its body if that was kept."""

    async def depth(self, now: datetime) -> Depth:
        """How full the queue is."""

    async def review_seconds(self) -> Durations:
        """How long the holds took that ended as posted, from claim to settlement, by `REVIEW_BOUNDS_S`; since the
        database began, so that the counts never fall."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` deliveries and jobs at rest (with their attempts) last touched before
        that time; the number deleted. Stored reviews and spend are kept: they have a `prune` of their own."""


class Reviews(Protocol):
    """Finished reviews, kept before they are posted."""

    async def store(self, lease: Lease, review: Review, now: datetime) -> bool:
        """Keep a finished review, durable; False, and nothing kept, if the lease is LOST. Idempotent."""

    async def of(self, job_id: str) -> Review | None:
        """The stored review of a job, with `review_id` once it is posted."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` reviews that were stored before that time and whose jobs are gone, oldest first; the number
        deleted. As long as its job is there a review stays, since the job may yet be posted."""


@dataclass(frozen=True, slots=True)
class Caps:
    """USD that may be spent on one review, one pull request, and one UTC day."""

    review: float
    pull_request: float
    day: float


class CapReached(Exception):
    """A reservation would exceed a cap; `cap` is review, pull_request or day."""

    def __init__(self, cap: str, limit: float, spent: float) -> None:
        super().__init__(f"The cap of {limit:.2f} USD a {cap.replace('_', ' ')} would be exceeded; {spent:.4f} USD are spent or reserved.")
        self.cap, self.limit, self.spent = cap, limit, spent


class Spend(Protocol):
    """What the model costs, reserved before a call and settled after it. Durable. USD.

    A reservation that is never settled (its process died) counts as spent.
    """

    async def reserve(self, lease: Lease | None, usd: float, caps: Caps, now: datetime) -> str:
        """Reserve `usd` for one model call of this job (None: of no job, a probe; it counts for the day
        alone); the reservation's id. CapReached if what is
        spent and reserved for the review (this job, all attempts), its pull request or this UTC day
        plus `usd` would exceed a cap; then nothing is reserved. `errors.Stopped` if the lease is not
        HELD: for a job that was taken back nothing is paid any more."""

    async def settle(self, reservation: str, usage: Usage, status: int | None, now: datetime) -> None:
        """Replace the reservation by what the call really cost. `status` is the HTTP status of the
        answer, None if there was none."""

    async def of_job(self, job_id: str) -> Usage:
        """What a job has used so far, all attempts."""

    async def today(self, now: datetime) -> float:
        """USD spent or reserved in this UTC day."""

    async def by_day(self, first: date, last: date) -> dict[date, float]:
        """USD spent or reserved on each UTC day from `first` to `last`, without the days on which nothing was."""

    async def requests_by_status(self) -> dict[str, int]:
        """How many model requests ended with each HTTP status ("none" without an answer)."""

    async def total(self) -> float:
        """USD spent or reserved since the database began."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Delete up to `limit` calls reserved before that time, oldest first; the number deleted. Afterwards they count for
        no review and no pull request any more; the sums of their days, the total and the statuses stay as they are."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The profile rests: no job is taken, no model call and no post is begun. `until` None: until `resume`."""

    reason: str
    since: datetime
    until: datetime | None = None

    def covers(self, until: datetime | None) -> bool:
        """Whether it lasts as long as a pause until that time would."""
        return self.until is None or (until is not None and until <= self.until)


class Switches(Protocol):
    """The kill switch, and what the processes on this database tell each other: small facts by name, never a secret."""

    async def pause(self, reason: str, now: datetime, until: datetime | None = None) -> bool:
        """Pause, durable. False if it was paused already for at least as long: then the first reason stands. A pause until
        `resume` takes the place of one that would end by itself."""

    async def resume(self, now: datetime) -> Pause | None:
        """End the pause, durable; the pause that ended, or None."""

    async def paused(self, now: datetime) -> Pause | None:
        """The pause in force. Cheap: read before every model call and every post."""

    async def own_login(self) -> str | None:
        """Who our reviews are by, as last remembered."""

    async def remember_login(self, login: str) -> None:
        """Remember who our reviews are by."""

    async def remembered(self, name: str) -> str | None:
        """A fact, as last remembered. Cheap."""

    async def remember(self, name: str, value: str) -> None:
        """Remember a fact in the place of the last one of this name."""


@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life of a pool; without slots, of a review in the foreground."""

    worker: str
    pid: int
    slots: int
    at: datetime
    model_calls_in_flight: int


class Pools(Protocol):
    """The worker pools that live on this queue."""

    async def beat(self, beat: Beat) -> None:
        """Record a sign of life; the first one of a worker registers it and marks it alive for `rescue`."""

    async def leave(self, worker: str) -> None:
        """The pool has ended in order."""

    async def alive(self, since: datetime) -> list[Beat]:
        """The pools that have beaten since that time, those without slots too."""


class Store(Protocol):
    """One database: it belongs to one environment and one host."""

    jobs: Jobs
    reviews: Reviews
    spend: Spend
    switches: Switches
    pools: Pools
    circuits: Circuits
    turns: Turns

    async def changed(self, timeout_s: float) -> None:
        """Return when anything may have changed, by this process or another, or when the time is over."""

    async def check_writable(self) -> None:
        """StoreUnusable unless a delivery could be stored now."""

    async def close(self) -> None:
        """Finish what was handed in, checkpoint, release the files."""
