"""What a webhook can tell us, reduced to the few fields that a decision needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from prreview_cli.core.job import Target


@dataclass(frozen=True, slots=True)
class PullRequestEvent:
    """A signed, well-formed `pull_request` event. `updated_at` None: the payload does not say, so its arrival counts."""

    action: str
    repository_id: int
    repository: str
    number: int
    head_sha: str
    base_ref: str
    draft: bool
    open: bool
    updated_at: datetime | None
    author: str
    author_association: str
    sender: str
    label: str | None = None  # the label just put on, with action `labeled`
    base_changed: bool = False  # with action `edited`


@dataclass(frozen=True, slots=True)
class Ping:
    """The host tries the webhook."""


@dataclass(frozen=True, slots=True)
class Unrelated:
    """Signed and well-formed JSON that asks nothing of us; `reason` says why."""

    reason: str
    action: str | None = None


Event = PullRequestEvent | Ping | Unrelated


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook request: the host's id (not signed, so never trusted) and what it was about.

    `body` is the raw body where it is kept, so that the delivery can be replayed. It is a stranger's text:
    no log shows it, and two deliveries are compared without it.
    """

    id: str
    event: str
    action: str | None
    received: datetime
    repository_id: int | None = None
    repository: str | None = None
    number: int | None = None
    head_sha: str | None = None
    body: bytes | None = field(default=None, repr=False, compare=False)


# -- decisions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Review:
    """This head should be reviewed."""

    target: Target


@dataclass(frozen=True, slots=True)
class Cancel:
    """No job of this pull request should go on: it was closed or turned into a draft."""

    repository_id: int
    repository: str
    number: int
    updated_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing to do."""

    reason: str


Decision = Review | Cancel | Ignore


class AnswerStatus(StrEnum):
    """What became of a delivery."""

    QUEUED = "queued"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a delivery or a request for a review became; `job` is the job's id, if one stands for it."""

    status: AnswerStatus
    reason: str
    job: str | None = None
