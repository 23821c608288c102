"""The code host: who speaks to us through its webhook, and what we ask and write there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from prreview_cli.core.events import Event
from prreview_cli.core.job import Target
from prreview_cli.core.marker import Marker
from prreview_cli.core.pace import Pace
from prreview_cli.core.review import Review


class Signer(StrEnum):
    """Which of the two webhook secrets signed a delivery."""

    CURRENT = "current"
    PREVIOUS = "previous"


class WebhookReader(Protocol):
    """The host's webhook dialect; pure. Header names are lower-case bytes."""

    def authentic(self, body: bytes | memoryview, headers: Mapping[bytes, bytes]) -> Signer | None:
        """With which secret the raw body was signed, None if with neither; constant time, never raises."""

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Event:
        """The event in an authentic body. ValueError if the body is not JSON that can be decoded strictly;
        JSON without the event's shape is `Unrelated`."""

    def delivery_id(self, headers: Mapping[bytes, bytes]) -> str:
        """The host's id of this delivery, up to 128 characters, "" if it sent none."""

    def event_name(self, headers: Mapping[bytes, bytes]) -> str:
        """The event's name as the headers claim it."""

    def signed(self, body: bytes, event: str, delivery_id: str) -> Mapping[bytes, bytes]:
        """The headers under which the host would deliver this body, signed with the current secret."""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as the host shows it now. `base_sha` is the base branch's tip, not the merge base;
    `author_association` is what the host shows to the public, so a private member looks like a stranger;
    `updated_at` is None where the host does not say."""

    repository_id: int
    repository: str
    number: int
    title: str
    body: str
    author: str
    open: bool
    draft: bool
    head_sha: str
    base_sha: str
    base_ref: str
    updated_at: datetime | None
    author_association: str = "NONE"

    def target(self, now: datetime, *, admitted: bool, again: bool = False, priority: int = 0) -> Target:
        """The head that it shows, as something to be reviewed; `now` where the host does not say when it changed."""
        return Target(
            repository_id=self.repository_id,
            repository=self.repository,
            number=self.number,
            head_sha=self.head_sha,
            base_ref=self.base_ref,
            updated_at=self.updated_at or now,
            author=self.author,
            admitted=admitted,
            again=again,
            priority=priority,
        )


@dataclass(frozen=True, slots=True)
class SeenRepository:
    """A repository that the token sees: its lasting id and its present OWNER/NAME."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class PostedReview:
    """A review by our own login that carries our marker."""

    review_id: str
    body: str
    commit_sha: str
    marker: Marker
    outdated: bool


@dataclass(frozen=True, slots=True)
class Introduction:
    """What an answer of the host tells besides who we are. `lists_scopes`: the token is of the kind whose scopes can be
    read (a classic one); `host_time` is what the host's clock says, to the second, `our_time` ours at that moment;
    `permissions` are those of an App at most, None of any other."""

    lists_scopes: bool
    host_time: datetime | None
    our_time: datetime
    permissions: Mapping[str, str] | None = None


class Permit(Protocol):
    """Whether a write may be made. Both are awaited before each write; what they raise is raised, and nothing more is sent."""

    async def turn(self) -> None:
        """Wait for the turn to write."""

    async def begin(self) -> None:
        """Look at the fence: last of all, with the connection open and nothing of the review's text sent, so that a host that
        is never given the rest stores nothing."""


class CodeHost(Protocol):
    """What we ask of the host and write there.

    Errors: HostTokenRejected, AppKeyRejected, HostTokenTooWide (profile); `errors.NoAccess`, RepositoryReplaced
    (repository); PullRequestGone (that one alone); HostRateLimited, HostUnreachable (again later). Credentials
    are never sent along a redirect. Reads are retried nowhere below the queue; writes never.

    `pace`: how fast the host wants to be written to. Whoever writes takes a turn first (`core.ports.circuits.Turns`).
    """

    pace: Pace

    async def identify(self) -> str:
        """Our own login, having checked that the token lives and is no wider than declared."""

    async def pull_request(self, repository_id: int | None, repository: str, number: int) -> PullRequest:
        """The pull request as it is now, looked up by name and checked by numeric id (None: not known yet);
        a renamed repository is found again by its id. RepositoryReplaced if the name leads to another id."""

    async def repositories(self) -> list[SeenRepository]:
        """The repositories that the token sees, over all pages, without the archived ones, where nothing can be posted."""

    def open_pull_requests(self, repository: str) -> AsyncIterator[PullRequest]:
        """The open pull requests of OWNER/NAME, drafts too, oldest first, over all pages; each page is asked for
        when the one before is used up, so what came before a failure is known. One that is opened or closed
        meanwhile may be missed."""

    async def merge_base(self, pull: PullRequest) -> str | None:
        """The merge base of base tip and head, or None where the host will not say."""

    async def may_write(self, pull: PullRequest, login: str) -> bool:
        """Whether the login has write, maintain or admin permission on the repository."""

    async def our_reviews(self, pull: PullRequest) -> list[PostedReview]:
        """All submitted reviews of the pull request by our own login that carry a marker, over all pages, oldest first."""

    async def publish(self, pull: PullRequest, review: Review, permit: Permit) -> str:
        """Post the whole review in one call, as COMMENT, on exactly `review.reviewed_sha`; its id.

        Only if the host objects to a pending review of our own is that removed, and the post made once more; each of
        these writes needs the `permit`. AmbiguousPost if it cannot be known whether it was stored; PostRefused if the
        host refused it.
        """

    def review_page(self, repository: str, number: int, review_id: str) -> str:
        """The address of a posted review, for a person; nothing is asked."""

    async def mark_outdated(self, pull: PullRequest, posted: PostedReview, newer_sha: str) -> None:
        """Say at the top of an earlier review of ours that a newer head was reviewed; its marker stays."""

    async def close(self) -> None:
        """Close the connections."""
