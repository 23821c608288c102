"""How a hold on a job ends: what its worker says, weighed against what the store knows by then.

The rule is the same for every adapter, so it stands once. An adapter gathers the `Facts`, asks, and
writes the `Ending` down, all in one transaction.

1. A post that stands, stands; a failure for good is one. Nothing that happened meanwhile changes that.
2. A job may go back to waiting only while it is the wanted one of its pull request and no other waits.
   Else it ends: skipped if the pull request was cancelled, superseded if something newer was accepted.
3. "Skipped" and "superseded" are what a worker says that was told to stop. If its job has become the
   wanted one again meanwhile, it waits again instead of ending, or the head would go without a review.
4. A job that its holder took for itself alone (`Jobs.take`) never waits for anybody else: where it would,
   it is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from prreview_cli.core.job import (
    WAITING,
    Dead,
    Defer,
    HandBack,
    Outcome,
    Posted,
    Retry,
    Skipped,
    Standing,
    State,
    Step,
    Superseded,
    after,
)
from prreview_cli.store import wording

LOOK_AGAIN = timedelta(seconds=15)
"""How long a job waits when the host's API lags behind its own webhooks."""

DURABLE = Posted | Skipped | Superseded | Dead
"""The outcomes that must not be lost with the machine; losing another only repeats work."""

RESCUED = "rescued"
NAMES: dict[type[Outcome], str] = {
    Posted: "posted",
    Skipped: "skipped",
    Superseded: "superseded",
    Retry: "retry",
    Defer: "defer",
    HandBack: "hand_back",
    Dead: "dead",
}
"""The words that `Attempt.outcome` shows."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store knows when a hold ends. `rival`: another job of the pull request waits.
    `cancelled`: why the pull request is not wanted. `admitted_meanwhile`, `asked_again`: since the claim.
    `host_behind`: the head that the worker saw on the host is older than the newest we were told of.
    `alone`: nobody but its holder has asked for the job."""

    standing: Standing
    rival: bool
    cancelled: str | None
    admitted_meanwhile: bool = False
    asked_again: bool = False
    host_behind: bool = False
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """What is written: the step that the running job takes, and what is said of it."""

    step: Step
    reason: str | None
    failure: str | None = None
    due: datetime | None = None
    charged: bool = False

    @property
    def state(self) -> State:
        """Where the job is afterwards."""
        return after(State.RUNNING, self.step)


def of_outcome(outcome: Outcome, facts: Facts, now: datetime) -> Ending:
    """How a hold ends whose worker says `outcome`."""
    match outcome:
        case Posted(reason=reason):
            return Ending(Step.POST, reason)
        case Dead(failure=failure, reason=reason):
            return Ending(Step.DIE, reason, failure, charged=True)
        case Retry(failure=failure, reason=reason, due=due):
            return _granted(Ending(Step.RETRY, reason, failure, due, charged=True), facts)
        case Defer(reason=reason, due=due):
            return _granted(Ending(Step.DEFER, reason, due=due), facts)
        case HandBack(reason=reason):
            return _granted(Ending(Step.HAND_BACK, reason, due=now), facts)
        case Skipped() | Superseded():
            return _stopped(outcome, facts, now)


def of_death(attempts: int, max_attempts: int, facts: Facts, now: datetime) -> Ending:
    """How a hold ends whose worker died; `attempts` are those charged before."""
    back = _granted(Ending(Step.RESCUE, wording.WORKER_DIED, wording.WORKER_DIED_KIND, now, charged=True), facts)
    if back.step is Step.RESCUE and attempts + 1 >= max_attempts:
        return replace(back, step=Step.DIE, due=None)
    return back


def _stopped(outcome: Skipped | Superseded, facts: Facts, now: datetime) -> Ending:
    if isinstance(outcome, Skipped) and outcome.unadmitted and facts.admitted_meanwhile:
        return _granted(Ending(Step.HAND_BACK, wording.ADMITTED, due=now), facts)
    if isinstance(outcome, Superseded) and facts.host_behind and facts.standing is Standing.HELD:
        return _granted(Ending(Step.DEFER, wording.NOT_SHOWN_YET, due=now + LOOK_AGAIN), facts)
    if facts.asked_again and facts.standing is Standing.HELD:
        return _granted(Ending(Step.HAND_BACK, wording.ASKED_AGAIN, due=now), facts)
    return Ending(Step.SKIP if isinstance(outcome, Skipped) else Step.SUPERSEDE, outcome.reason)


def _granted(wish: Ending, facts: Facts) -> Ending:
    """The wish to wait again, if it may be had."""
    if wish.state not in WAITING:
        raise ValueError(f"{wish.step} does not lead back to waiting.")
    if facts.standing is Standing.CANCELLED:
        return Ending(Step.SKIP, facts.cancelled, charged=wish.charged)
    if facts.standing is not Standing.HELD or facts.rival:
        return Ending(Step.SUPERSEDE, wording.NEWER_HEAD, charged=wish.charged)
    if facts.alone:
        return Ending(Step.SKIP, wish.reason, wish.failure, charged=wish.charged)
    return wish
