"""Plain stand-ins for the ports that the services need; each records what it was asked."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from prreview_cli.core import errors
from prreview_cli.core.contract import CONTRACT_VERSION
from prreview_cli.core.diff import Change, Diff, FileDiff, Hunk, Line, LineKind
from prreview_cli.core.job import Lease, Target
from prreview_cli.core.marker import Identity, Marker
from prreview_cli.core.pace import Pace
from prreview_cli.core.ports.agent import Brief, Progress
from prreview_cli.core.ports.alerts import Alert
from prreview_cli.core.ports.gateway import Allowance
from prreview_cli.core.ports.host import Permit, PostedReview, PullRequest
from prreview_cli.core.ports.snapshots import Guidelines, Match, Revision, Wanted
from prreview_cli.core.review import Finding, Review, ReviewStatus, Severity, Submission, Usage
from prreview_cli.core.toolbox import Toolbox

HEAD = "a" * 40
NEXT_HEAD = "b" * 40
BASE = "c" * 40
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

PULL = PullRequest(
    repository_id=7,
    repository="octo/demo",
    number=1,
    title="Add a thing",
    body="It adds a thing.",
    author="alice",
    open=True,
    draft=False,
    head_sha=HEAD,
    base_sha=BASE,
    base_ref="main",
    updated_at=NOON,
    author_association="MEMBER",
)

TARGET = Target(
    repository_id=7,
    repository="octo/demo",
    number=1,
    head_sha=HEAD,
    base_ref="main",
    updated_at=NOON,
    author="alice",
    admitted=True,
)

DIFF = Diff(
    files=(
        FileDiff(
            path="thing.py",
            old_path=None,
            change=Change.ADDED,
            binary=False,
            hunks=(Hunk((Line(LineKind.ADDED, None, 1, "print(1 / 0)"),)),),
            text="diff --git a/thing.py b/thing.py\n--- /dev/null\n+++ b/thing.py\n@@ -0,0 +1 @@\n+print(1 / 0)\n",
        ),
    ),
)

SUBMISSION = Submission(
    "It adds a thing that divides by zero.",
    (Finding("thing.py", 1, Severity.ERROR, "Division by zero", "The line divides one by zero at every call."),),
)


@dataclass
class FakeHost:
    """A code host with one pull request. `publish_failures` are raised, in order, by the next posts;
    `stores_despite` says whether such a post was stored all the same."""

    pull: PullRequest = PULL
    writers: set[str] = field(default_factory=set)
    reviews: list[PostedReview] = field(default_factory=list)
    posts: list[Review] = field(default_factory=list)
    publish_failures: list[errors.Failure] = field(default_factory=list)
    stores_despite: bool = False
    pull_failures: list[errors.Failure] = field(default_factory=list)
    on_publish: Callable[[], None] = lambda: None
    pace: Pace = field(default_factory=lambda: Pace(0.0, 1000, 0.0))

    async def identify(self) -> str:
        return "prreview-bot"

    async def pull_request(self, repository_id: int | None, repository: str, number: int) -> PullRequest:
        if self.pull_failures:
            raise self.pull_failures.pop(0)
        return self.pull

    async def merge_base(self, pull: PullRequest) -> str | None:
        return BASE

    async def may_write(self, pull: PullRequest, login: str) -> bool:
        return login in self.writers

    async def our_reviews(self, pull: PullRequest) -> list[PostedReview]:
        return list(self.reviews)

    async def publish(self, pull: PullRequest, review: Review, permit: Permit) -> str:
        await permit.turn()
        await permit.begin()
        self.on_publish()
        failure = self.publish_failures.pop(0) if self.publish_failures else None
        if failure is None or self.stores_despite:
            self.store(review)
        if failure is not None:
            raise failure
        return self.reviews[-1].review_id

    def store(self, review: Review) -> None:
        self.posts.append(review)
        self.reviews.append(posted(str(100 + len(self.reviews)), review.reviewed_sha, review.run))

    def review_page(self, repository: str, number: int, review_id: str) -> str:
        return f"https://host/{repository}/{number}/{review_id}"

    async def mark_outdated(self, pull: PullRequest, posted: PostedReview, newer_sha: str) -> None:
        self.reviews[self.reviews.index(posted)] = replace(posted, outdated=True)

    async def close(self) -> None:
        return None


class AtOnce:
    """Nobody's turn is waited for, and nothing stands against the post."""

    async def turn(self) -> None:
        return None

    async def begin(self) -> None:
        return None


at_once = AtOnce()


def posted(review_id: str, head_sha: str, run: int = 0) -> PostedReview:
    identity = Identity("test", 7, 1, head_sha, run)
    return PostedReview(review_id, "body", head_sha, Marker(identity, CONTRACT_VERSION, ReviewStatus.COMPLETE, (0, 0, 0)), outdated=False)


@dataclass
class FakeSnapshot:
    base_sha: str = BASE
    head_sha: str = HEAD
    diff: Diff = DIFF
    guidelines: Guidelines | None = None

    async def list_files(self, glob: str | None, revision: Revision) -> list[str]:
        return ["thing.py"]

    async def read_file(self, path: str, revision: Revision) -> str:
        return "print(1 / 0)\n"

    async def search(self, pattern: str, glob: str | None, revision: Revision) -> list[Match]:
        return []


@dataclass
class FakeSnapshots:
    snapshot: FakeSnapshot = field(default_factory=FakeSnapshot)
    opened: list[Wanted] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, wanted: Wanted) -> AsyncIterator[FakeSnapshot]:
        self.opened.append(wanted)
        yield self.snapshot


@dataclass
class FakeGrant:
    base_url: str = "http://127.0.0.1:1"
    token: str = "job-token"
    usage: Usage = field(default_factory=lambda: Usage(1000, 100, 0.01, 2))
    failure: errors.Failure | None = None
    revoked: bool = False

    async def listen(self, door: int) -> None:
        os.close(door)

    def revoke(self) -> None:
        self.revoked = True

    async def settled(self, within_s: float) -> None:
        return None


@dataclass
class FakeGateway:
    failures: list[errors.Failure | None] = field(default_factory=list)
    grants: list[FakeGrant] = field(default_factory=list)
    calls_in_flight: int = 0

    @asynccontextmanager
    async def grant(self, lease: Lease, allowance: Allowance) -> AsyncIterator[FakeGrant]:
        grant = FakeGrant(failure=self.failures.pop(0) if self.failures else None)
        self.grants.append(grant)
        try:
            yield grant
        finally:
            grant.revoke()

    async def probe(self) -> None:
        return None


@dataclass
class FakeAgent:
    """Hands in `submission`, unless the grant carries a failure, as the real one cannot then."""

    submission: Submission | None = SUBMISSION
    raises: errors.Failure | None = None
    looks: list[Brief] = field(default_factory=list)
    on_look: Callable[[], None] = lambda: None

    async def look(self, brief: Brief, toolbox: Toolbox, grant: FakeGrant, progress: Callable[[Progress], None]) -> None:
        self.looks.append(brief)
        self.on_look()
        if self.raises is not None:
            raise self.raises
        if grant.failure is None:
            toolbox.submission = self.submission


@dataclass
class FakeAlerts:
    told: list[Alert] = field(default_factory=list)

    async def tell(self, alert: Alert) -> None:
        self.told.append(alert)
