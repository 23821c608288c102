"""What follows a failure: the table, and the arithmetic of waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from prreview_cli.core import errors
from prreview_cli.core.job import Dead, Defer, HandBack, Outcome, Retry


class Response(StrEnum):
    """What a class of failure leads to."""

    AGAIN = "again"  # later, charged, until the attempts are used up
    PAUSE = "pause"  # concerns the whole profile: pause it, charge nothing
    PAUSE_TODAY = "pause_today"  # the same until the UTC day ends
    END_REPOSITORY = "end_repository"  # concerns one repository: its jobs end, others go on
    END = "end"  # trying again would not help
    WAIT = "wait"  # not a failure: later, uncharged
    HAND_BACK = "hand_back"  # not the job's fault and not a failure: give it back


RESPONSES: dict[type[errors.Failure], Response] = {
    errors.ModelRateLimited: Response.AGAIN,
    errors.ModelOverloaded: Response.AGAIN,
    errors.ModelUnreachable: Response.AGAIN,
    errors.HostRateLimited: Response.AGAIN,
    errors.HostUnreachable: Response.AGAIN,
    errors.AmbiguousPost: Response.AGAIN,
    errors.SnapshotFailed: Response.AGAIN,
    errors.AgentCrashed: Response.AGAIN,
    errors.Internal: Response.AGAIN,
    errors.ModelKeyRejected: Response.PAUSE,
    errors.ModelForbidden: Response.PAUSE,
    errors.CreditExhausted: Response.PAUSE,
    errors.ModelGone: Response.PAUSE,
    errors.HostTokenRejected: Response.PAUSE,
    errors.AppKeyRejected: Response.PAUSE,
    errors.HostTokenTooWide: Response.PAUSE,
    errors.DayBudgetReached: Response.PAUSE_TODAY,
    errors.RepositoryForbidden: Response.END_REPOSITORY,
    errors.AppNotInstalled: Response.END_REPOSITORY,
    errors.AppSuspended: Response.END_REPOSITORY,
    errors.AppPermissionMissing: Response.END_REPOSITORY,
    errors.RepositoryReplaced: Response.END_REPOSITORY,
    errors.ModelRefusedRequest: Response.END,
    errors.PullRequestGone: Response.END,
    errors.PostRefused: Response.END,
    errors.AttemptTimedOut: Response.END,
    errors.TurnLimitReached: Response.END,
    errors.SnapshotTooLarge: Response.END,
    errors.BudgetReached: Response.END,
    errors.NoSubmission: Response.END,
    errors.ModelToolsDiffer: Response.END,
    errors.SecretInReview: Response.END,
    errors.HostWritesSpent: Response.WAIT,
    errors.CircuitOpen: Response.WAIT,
    errors.Paused: Response.HAND_BACK,
    errors.Stopped: Response.HAND_BACK,
    errors.Busy: Response.HAND_BACK,
}
"""Every class of failure has its line; a test holds this against `core.errors`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and how soon. Seconds."""

    max_attempts: int
    backoff_s: float
    backoff_max_s: float


def delay(policy: Policy, attempt: int, chance: Callable[[], float]) -> float:
    """Seconds to wait before the try after `attempt` (1-based): doubling, capped, full jitter.

    `chance` is uniform in [0, 1).
    """
    ceiling = min(policy.backoff_s * 2.0 ** min(attempt - 1, 60), policy.backoff_max_s)
    return ceiling * chance()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the hold ends, and whether (and until when) the profile is paused first."""

    outcome: Outcome
    pause: str | None = None
    until: datetime | None = None


def decide(
    failure: errors.Failure,
    attempts: int,
    policy: Policy,
    now: datetime,
    chance: Callable[[], float],
    excused_until: datetime | None = None,
) -> Verdict:
    """What follows `failure` of a job that already has `attempts` charged ones. `excused_until`: an outage is to blame
    (`core.circuit`), so nothing is charged, and it is tried again then."""
    reason = str(failure)
    match RESPONSES[type(failure)]:
        case Response.AGAIN if excused_until is not None:
            due = max(excused_until, failure.retry_at or excused_until)
            return Verdict(Defer(f"{reason} An outage is to blame, so no attempt is charged.", due))
        case Response.WAIT:
            due = now + timedelta(seconds=policy.backoff_s)
            return Verdict(Defer(reason, max(due, failure.retry_at or due)))
        case Response.AGAIN if attempts + 1 < policy.max_attempts:
            due = now + timedelta(seconds=delay(policy, attempts + 1, chance))
            return Verdict(Retry(failure.kind, reason, max(due, failure.retry_at or due)))
        case Response.AGAIN:
            return Verdict(Dead(failure.kind, f"{reason} That was attempt {attempts + 1} of {policy.max_attempts}."))
        case Response.PAUSE:
            return Verdict(HandBack(reason), pause=reason)
        case Response.PAUSE_TODAY:
            return Verdict(HandBack(reason), pause=reason, until=failure.retry_at or end_of_day(now))
        case Response.END_REPOSITORY:
            return Verdict(Dead(failure.kind, reason, whole_repository=True))
        case Response.END:
            return Verdict(Dead(failure.kind, reason))
        case Response.HAND_BACK:
            return Verdict(HandBack(reason))


def end_of_day(now: datetime) -> datetime:
    """The first instant of the next UTC day."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
