"""What the simulated code host knows: people, repositories, pull requests, reviews. Plain values, changed in place."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from prreview_cli.trials.simulators.repository import MAIN, GitRepository

if TYPE_CHECKING:
    from prreview_cli.trials.simulators.github_app import GitHubApp


@dataclass(slots=True)
class StoredReview:
    """A review as the host keeps it; `state` is PENDING, COMMENTED, APPROVED or CHANGES_REQUESTED."""

    id: int
    number: int
    login: str
    body: str
    state: str
    commit_id: str
    comments: list[dict[str, Any]]
    submitted_at: datetime


@dataclass(slots=True)
class Pull:
    """A pull request. `base_sha` is the base branch's tip as the host saw it last."""

    number: int
    title: str
    body: str
    author: str
    association: str
    head_ref: str
    head_sha: str
    base_sha: str
    created_at: datetime
    updated_at: datetime
    base_ref: str = "main"
    draft: bool = False
    state: str = "open"
    labels: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Hosted:
    """A repository with its pull requests and all their reviews, in the order in which they were stored."""

    id: int
    name: str
    git: GitRepository
    created_at: datetime
    private: bool = True
    pulls: dict[int, Pull] = field(default_factory=dict)
    reviews: list[StoredReview] = field(default_factory=list)
    roles: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """The part before the slash."""
        return self.name.partition("/")[0]

    def base_tip(self) -> str:
        """Where main is now."""
        return self.git.tip(MAIN)

    def reviews_of(self, number: int) -> list[StoredReview]:
        """The reviews of a pull request, oldest first."""
        return [review for review in self.reviews if review.number == number]


@dataclass(slots=True)
class World:
    """The host as a whole. `tokens` are the living ones, each with the login it acts for; `app` mints others."""

    tokens: dict[str, str]
    scopes: str | None = None
    app: GitHubApp | None = None
    repositories: dict[int, Hosted] = field(default_factory=dict)
    former_names: dict[str, int] = field(default_factory=dict)
    ids: count[int] = field(default_factory=lambda: count(80_000_001))

    def named(self, name: str) -> Hosted | None:
        """The repository that bears this name now, without regard to case."""
        return next((hosted for hosted in self.repositories.values() if hosted.name.lower() == name.lower()), None)
