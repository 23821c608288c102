"""What can go wrong, one class a kind, each with its message and its remedy.

An operator reads `str(error)` and `error.remedy`: full sentences, no traceback. The pool reads
`error.kind`, a stable name that is stored with the attempt, and asks `core.retry` what follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of every command; where several hold, `worst` chooses."""

    DONE = 0
    BROKEN = 1
    USAGE = 2
    TRANSIENT = 3
    FORBIDDEN = 4
    INCOMPLETE = 5
    SUPERSEDED = 6
    INTERRUPTED = 130


_WORST_FIRST = (
    ExitCode.USAGE,
    ExitCode.FORBIDDEN,
    ExitCode.TRANSIENT,
    ExitCode.SUPERSEDED,
    ExitCode.BROKEN,
    ExitCode.INCOMPLETE,
    ExitCode.DONE,
)


def worst(codes: Iterable[ExitCode]) -> ExitCode:
    """The exit code of a command of which all these hold; DONE of none (SPEC §3)."""
    return min(codes, key=_WORST_FIRST.index, default=ExitCode.DONE)


class PrreviewError(Exception):
    """Anything that prreview says no to; the message is a sentence, the remedy says what to do next."""

    kind: ClassVar[str] = "internal"
    exit_code: ClassVar[ExitCode] = ExitCode.BROKEN
    default_remedy: ClassVar[str] = "Read the log in the state folder."

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = self.default_remedy if remedy is None else remedy


# -- the operator's side: configuration and the machine --------------------------------------------


class UsageError(PrreviewError):
    """The command line or the profile asks for something that cannot be."""

    kind = "usage"
    exit_code = ExitCode.USAGE
    default_remedy = "See the command's --help."


class ProfileError(UsageError):
    """A profile cannot be used as it stands; names the key and, where there is one, the line."""

    kind = "profile"
    default_remedy = "Mend the profile and run `prreview profile check`."


class NotYetKept(UsageError):
    """The specification promises it, this version does not keep it yet, so it is refused by name."""

    kind = "not_yet"
    default_remedy = "Remove it, or wait for the version whose CHANGELOG names it."


class SecretUnavailable(UsageError):
    """A secret that the profile refers to cannot be had, or is not fit to be one."""

    kind = "secret_unavailable"
    default_remedy = "Set it with `prreview secret set NAME`."


class StoreUnusable(UsageError):
    """The database cannot be opened or written: locked, corrupt, read-only, full or too new."""

    kind = "store"
    default_remedy = "See that the folder of queue.url exists, is on a local disk, has room and belongs to this user."


class SandboxMissing(UsageError):
    """A layer of the agent's cell that the profile requires is not there on this machine."""

    kind = "sandbox_missing"
    default_remedy = "Use a kernel that has it, or accept the risk with --allow-unsandboxed; the review will say so."


# -- failures of an attempt ------------------------------------------------------------------------


class Failure(PrreviewError):
    """An attempt at a job ended without a review; `core.retry` holds the table of what follows.

    `retry_at` is the server's hint, if it gave one: nothing is tried earlier.
    """

    kind = "failure"
    exit_code = ExitCode.TRANSIENT

    def __init__(self, message: str, *, remedy: str | None = None, retry_at: datetime | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_at = retry_at


class ModelRateLimited(Failure):
    """The model's provider said 429."""

    kind = "model_rate_limited"
    default_remedy = "Nothing to do: it is tried again. If it is frequent, lower workers.count or ask for a higher limit."


class ModelOverloaded(Failure):
    """The model's provider said 529 or another 5xx."""

    kind = "model_overloaded"
    default_remedy = "Nothing to do: it is tried again."


class ModelUnreachable(Failure):
    """No whole answer came from the model: refused, reset, cut short or too late."""

    kind = "model_unreachable"
    default_remedy = "See that model.base_url is right and can be reached from this machine."


class ModelRefusedRequest(Failure):
    """The model's provider called our request invalid; the same request would be refused again."""

    kind = "model_refused_request"
    exit_code = ExitCode.BROKEN
    default_remedy = "Read the reason with `prreview why`; if the pull request is too large, leave files out with review.ignore."


class ModelKeyRejected(Failure):
    """The model's provider does not accept the key (401)."""

    kind = "model_key_rejected"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Set a working key with `prreview secret set model_api_key`, then run `prreview resume`."


class ModelForbidden(Failure):
    """The key is known but may not use this model (403)."""

    kind = "model_forbidden"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Give the key access to model.name, or choose another model; then run `prreview resume`."


class CreditExhausted(Failure):
    """The account behind the key has no credit left."""

    kind = "credit_exhausted"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Top up the account, then run `prreview resume`."


class ModelGone(Failure):
    """The provider does not know the model of this name (404)."""

    kind = "model_gone"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Set model.name to a model that exists, then run `prreview resume`."


class HostTokenRejected(Failure):
    """The code host does not accept the token (401)."""

    kind = "host_token_rejected"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Set a working token with `prreview secret set host_token`, then run `prreview resume`."


class AppKeyRejected(Failure):
    """The code host does not accept what the App's private key signed."""

    kind = "app_key_rejected"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = (
        "See that host.app_id is the App's own, that its private key is among those on the App's page (else "
        "`prreview secret rotate app_private_key`), and that this machine's clock is right; then run `prreview resume`."
    )


class HostTokenTooWide(Failure):
    """The token may do more than a reviewer needs, so it is not used."""

    kind = "host_token_too_wide"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Use a fine-grained token with pull requests: write and contents: read alone, then run `prreview resume`."


class HostRateLimited(Failure):
    """The code host asked us to wait: a primary or secondary rate limit."""

    kind = "host_rate_limited"
    default_remedy = "Nothing to do: it is tried again when the host allows it."


class HostUnreachable(Failure):
    """No usable answer came from the code host: 5xx, reset, refused or too late."""

    kind = "host_unreachable"
    default_remedy = "See that host.api_url and host.git_url are right and can be reached from this machine."


class HostWritesSpent(Failure):
    """Our own budget of writes to the code host is spent for the moment; `retry_at` says until when."""

    kind = "host_writes_spent"
    default_remedy = "Nothing to do: it is posted when the budget has room again."


class RepositoryForbidden(Failure):
    """The token has no access to this repository any more (403 or 404 there)."""

    kind = "repository_forbidden"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Give the token access to the repository, then run `prreview jobs retry`, or leave it out of host.repositories."


class AppNotInstalled(Failure):
    """The GitHub App is not installed on this repository, or not any more."""

    kind = "app_not_installed"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Install the App on the repository, then run `prreview jobs retry`, or leave it out of host.repositories."


class AppSuspended(Failure):
    """The owner has suspended the GitHub App's installation."""

    kind = "app_suspended"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Ask the owner to unsuspend the App in the account's settings; then run `prreview jobs retry`."


class AppPermissionMissing(Failure):
    """The installation does not grant the GitHub App what host.permissions declares."""

    kind = "app_permission_missing"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = (
        "Ask for the permission on the App's page and let the repository's owner accept it under Installed GitHub Apps; "
        "then run `prreview jobs retry`."
    )


NoAccess = RepositoryForbidden | AppNotInstalled | AppSuspended | AppPermissionMissing
"""One repository is closed to us, whatever the reason; others are not."""


class RepositoryReplaced(Failure):
    """The name now leads to a repository with another numeric id."""

    kind = "repository_replaced"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Nothing to do if the repository was re-created on purpose: its own deliveries are reviewed."


class PullRequestGone(Failure):
    """The pull request is not there any more, though its repository is: deleted, or hidden with its author's account."""

    kind = "pull_request_gone"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "See whether its page opens, and whether the token may read pull requests; if so, run `prreview jobs retry`."


class AmbiguousPost(Failure):
    """The answer to a post was lost, and the review was not seen afterwards: it may still land."""

    kind = "ambiguous_post"
    default_remedy = "Nothing to do: the host is asked again before anything is posted."


class PostRefused(Failure):
    """The host refused the review itself (422)."""

    kind = "post_refused"
    exit_code = ExitCode.BROKEN
    default_remedy = "Read the host's reason with `prreview why`; then `prreview jobs retry`."


class SnapshotFailed(Failure):
    """The commits could not be fetched or read."""

    kind = "snapshot_failed"
    default_remedy = "See that host.git_url is right and that the token may read contents."


class SnapshotTooLarge(Failure):
    """The commits are larger, or nested deeper, than prreview reads."""

    kind = "snapshot_too_large"
    exit_code = ExitCode.INCOMPLETE
    default_remedy = "Review this pull request by hand: it is made to stop whoever reads it, or larger than prreview reads."


class AgentCrashed(Failure):
    """The agent's process ended by itself or could not be started."""

    kind = "agent_crashed"
    default_remedy = "Read the log in the state folder; if it happens at each review, reinstall the package."


class AttemptTimedOut(Failure):
    """The review took longer than workers.job_timeout_s."""

    kind = "time_limit"
    exit_code = ExitCode.INCOMPLETE
    default_remedy = "Raise workers.job_timeout_s, or leave files out with review.ignore; then `prreview jobs retry`."


class TurnLimitReached(Failure):
    """The agent used model.max_turns without handing in a review."""

    kind = "turn_limit"
    exit_code = ExitCode.INCOMPLETE
    default_remedy = "Raise model.max_turns; then `prreview jobs retry`."


class BudgetReached(Failure):
    """The next model call could exceed a cap of this review or pull request."""

    kind = "budget_limit"
    exit_code = ExitCode.INCOMPLETE
    default_remedy = "Raise model.max_usd_per_review or model.max_usd_per_pull_request; then `prreview jobs retry`."


class DayBudgetReached(Failure):
    """The next model call could exceed model.max_usd_per_day; the profile rests until that UTC day ends, which is `retry_at`."""

    kind = "day_budget_limit"
    exit_code = ExitCode.INCOMPLETE
    default_remedy = "Wait for the next UTC day, or raise model.max_usd_per_day and run `prreview resume`."


class NoSubmission(Failure):
    """The agent ended without a review that passed schema and anchors."""

    kind = "no_submission"
    exit_code = ExitCode.INCOMPLETE
    default_remedy = "Run `prreview jobs retry`; if it happens often, choose a stronger model."


class ModelToolsDiffer(Failure):
    """The agent's process offered the model other tools than ours; nothing was sent."""

    kind = "tools_differ"
    exit_code = ExitCode.BROKEN
    default_remedy = "Reinstall the locked version of claude-agent-sdk: the agent's tool set is pinned to it."


class SecretInReview(Failure):
    """The review contained a secret of ours, or a part of one, and was withheld."""

    kind = "secret_in_review"
    exit_code = ExitCode.BROKEN
    default_remedy = "Rotate that secret: the agent has seen it. Then run `prreview audit-logs`."


class Paused(Failure):
    """The profile is paused: no model call and no post is begun."""

    kind = "paused"
    exit_code = ExitCode.FORBIDDEN
    default_remedy = "Mend the reason that `prreview status` shows, then run `prreview resume`."


class CircuitOpen(Failure):
    """The model or the code host is down, or asked to be left alone, so no job is taken before `retry_at`."""

    kind = "circuit_open"
    default_remedy = "Nothing to do: one job tries it again at the time that `prreview status` shows."


class Stopped(Failure):
    """The job was taken back from its worker: superseded, cancelled, or the worker drains."""

    kind = "stopped"
    exit_code = ExitCode.SUPERSEDED
    default_remedy = "Nothing to do."


class Busy(Failure):
    """The head's job waits for its time, or is in other hands, so it cannot be done here and now."""

    kind = "busy"
    default_remedy = "Run it again later; `prreview why` shows what the job waits for."


class Internal(Failure):
    """A fault of prreview itself."""

    kind = "internal"
    exit_code = ExitCode.BROKEN
    default_remedy = "Please report it with the traceback in the log of the state folder."


def of_kind(kind: str | None) -> type[Failure]:
    """The class of failure that was stored by this name; Internal if it is not known, or was no failure of ours."""
    return next((failure for failure in Failure.__subclasses__() if failure.kind == kind), Internal)
