"""Which events lead to a review: one pure decision."""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase

from prreview_cli.core.events import Cancel, Decision, Event, Ignore, Ping, PullRequestEvent, Review, Unrelated
from prreview_cli.core.job import Target
from prreview_cli.core.profile import ReviewPolicy


def decide(event: Event, policy: ReviewPolicy, repositories: tuple[str, ...], own_login: str | None, arrived: datetime) -> Decision:
    """What an authentic event that arrived at that time leads to under this policy.

    An author outside `policy.authors` is not refused here: the host shows private members as
    strangers, so the job is queued unadmitted and the worker asks for the author's permission.
    """
    match event:
        case Ping():
            return Ignore("The ping was received; the webhook works.")
        case Unrelated(reason=reason):
            return Ignore(reason)
    if not covers(repositories, event.repository):
        return Ignore("The repository is not among host.repositories.")
    if own_login is not None and event.sender.lower() == own_login.lower():
        return Ignore("The event is our own doing.")
    if event.action == "closed" or not event.open:
        return _cancel(event, arrived, "The pull request was closed.")
    if event.action == "converted_to_draft" and policy.skip_drafts:
        return _cancel(event, arrived, "The pull request was converted to a draft.")
    return _asked(event, policy, arrived)


def covers(repositories: tuple[str, ...], repository: str) -> bool:
    """Whether OWNER/NAME matches one of the globs, without regard to case; no globs cover everything."""
    return not repositories or any(fnmatchcase(repository.lower(), glob.lower()) for glob in repositories)


def _asked(event: PullRequestEvent, policy: ReviewPolicy, arrived: datetime) -> Decision:
    labelled = event.action == "labeled" and event.label == policy.allow_label
    rebased = event.action == "edited" and event.base_changed
    if not (labelled or rebased or event.action in policy.actions):
        return Ignore(f"The action {_shown(event.action)} asks for no review.")
    if event.draft and policy.skip_drafts:
        return Ignore("The pull request is a draft.")
    admitted = labelled or event.author_association in policy.authors
    return Review(
        Target(
            repository_id=event.repository_id,
            repository=event.repository,
            number=event.number,
            head_sha=event.head_sha,
            base_ref=event.base_ref,
            updated_at=event.updated_at or arrived,
            author=event.author,
            admitted=admitted,
            new_base=rebased,
        )
    )


def _cancel(event: PullRequestEvent, arrived: datetime, reason: str) -> Cancel:
    return Cancel(event.repository_id, event.repository, event.number, event.updated_at or arrived, reason)


def _shown(action: str) -> str:
    return repr(action[:40])
