"""What GitHub answers, reduced to the fields we need. Lenient in all others: 13 of 29 recorded payloads satisfy its own schema.

Each function takes the body of an answer and raises ValueError if it is not what was asked for.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from prreview_cli.core.markup import terminal_safe
from prreview_cli.core.ports.host import PullRequest, SeenRepository
from prreview_cli.hosts.github import fields

T = TypeVar("T")


class Account(msgspec.Struct):
    """Who did it; a deleted account is null where this is used."""

    login: str


class Repository(msgspec.Struct):
    """A repository's lasting id and its present name."""

    id: int
    full_name: str


class _Listed(Repository):
    archived: bool = False
    disabled: bool = False


class App(msgspec.Struct):
    """A GitHub App: what it is called, and what it may be granted at most."""

    slug: str
    permissions: dict[str, str] = msgspec.field(default_factory=dict)


class Installation(msgspec.Struct):
    """Where an App is installed; `suspended_at` is null while it is not suspended."""

    id: int
    suspended_at: str | None = None


class Minted(msgspec.Struct):
    """A token of an installation, with what it opens. `repositories` is there where they were named at minting."""

    token: str
    expires_at: str
    permissions: dict[str, str] = msgspec.field(default_factory=dict)
    repositories: list[Repository] | None = None


class _Installed(msgspec.Struct):
    repositories: list[_Listed]


class _Head(msgspec.Struct):
    sha: str


class _Base(msgspec.Struct):
    sha: str
    ref: str
    repo: Repository


class _Pull(msgspec.Struct):
    number: int
    state: str
    head: _Head
    base: _Base
    title: str | None = None
    body: str | None = None
    user: Account | None = None
    draft: bool | None = None
    author_association: str = "NONE"
    updated_at: str | None = None


class StoredReview(msgspec.Struct):
    """A review as the host keeps it; `state` is PENDING until it was submitted."""

    id: int
    user: Account | None = None
    body: str | None = None
    state: str = ""
    commit_id: str | None = None

    def is_by(self, login: str) -> bool:
        """Whether this account wrote it; logins are compared without regard to case."""
        return self.user is not None and self.user.login.lower() == login.lower()


class _Commit(msgspec.Struct):
    sha: str


class _Comparison(msgspec.Struct):
    merge_base_commit: _Commit | None = None


class _Permission(msgspec.Struct):
    permission: str = ""
    role_name: str = ""


class _Complaint(msgspec.Struct):
    message: str = ""
    errors: list[Any] | str = msgspec.field(default_factory=list)


def account(body: bytes) -> str:
    """The login of GET /user."""
    return fields.login(_read(body, Account).login)


def repository(body: bytes) -> Repository:
    """The repository of GET /repositories/ID."""
    found = _read(body, Repository)
    return Repository(fields.identifier(found.id), fields.full_name(found.full_name))


def repositories(body: bytes) -> list[SeenRepository | None]:
    """One page of GET /user/repos; None in the place of an archived or disabled one."""
    return [_seen(found) for found in _read(body, list[_Listed])]


def installed(body: bytes) -> list[SeenRepository | None]:
    """One page of GET /installation/repositories, as `repositories`."""
    return [_seen(found) for found in _read(body, _Installed).repositories]


def app(body: bytes) -> App:
    """The App of GET /app."""
    found = _read(body, App)
    fields.login(f"{found.slug}[bot]")
    return found


def installation(body: bytes) -> Installation:
    """The installation of GET …/installation."""
    found = _read(body, Installation)
    fields.identifier(found.id)
    return found


def minted(body: bytes) -> Minted:
    """The token of POST …/access_tokens."""
    found = _read(body, Minted)
    fields.instant(found.expires_at)
    for repository in found.repositories or ():
        fields.identifier(repository.id)
        fields.full_name(repository.full_name)
    return found


def _seen(found: _Listed) -> SeenRepository | None:
    if found.archived or found.disabled:
        return None
    return SeenRepository(fields.identifier(found.id), fields.full_name(found.full_name))


def pull_request(body: bytes) -> PullRequest:
    """The pull request of GET …/pulls/N."""
    return _pull_request(_read(body, _Pull))


def pull_requests(body: bytes) -> list[PullRequest]:
    """One page of GET …/pulls."""
    return [_pull_request(found) for found in _read(body, list[_Pull])]


def _pull_request(found: _Pull) -> PullRequest:
    return PullRequest(
        repository_id=fields.identifier(found.base.repo.id),
        repository=fields.full_name(found.base.repo.full_name),
        number=fields.identifier(found.number),
        title=found.title or "",
        body=found.body or "",
        author=fields.GHOST if found.user is None else fields.login(found.user.login),
        open=fields.is_open(found.state),
        draft=bool(found.draft),
        head_sha=fields.sha(found.head.sha),
        base_sha=fields.sha(found.base.sha),
        base_ref=fields.line(found.base.ref, 1024),
        updated_at=None if found.updated_at is None else fields.instant(found.updated_at),
        author_association=fields.line(found.author_association, 64),
    )


def merge_base(body: bytes) -> str | None:
    """The merge base of GET …/compare/BASE...HEAD, None where it names none."""
    found = _read(body, _Comparison).merge_base_commit
    return None if found is None else fields.sha(found.sha)


def may_write(body: bytes) -> bool:
    """Whether the permission is write or more; a custom role's base permission is told beside its name."""
    found = _read(body, _Permission)
    return not {found.permission, found.role_name}.isdisjoint({"admin", "maintain", "write"})


def reviews(body: bytes) -> list[StoredReview]:
    """One page of GET …/reviews."""
    found = _read(body, list[StoredReview])
    for review in found:
        fields.identifier(review.id)
    return found


def review(body: bytes) -> StoredReview:
    """The review that POST …/reviews stored."""
    found = _read(body, StoredReview)
    fields.identifier(found.id)
    return found


def complaint(body: bytes) -> str:
    """What the host says about a refusal, on one line, fit to be shown once it is redacted; "" if nothing."""
    try:
        found = _read(body, _Complaint)
    except ValueError:
        return ""
    errors = [found.errors] if isinstance(found.errors, str) else found.errors
    details = [error if isinstance(error, str) else error.get("message") for error in errors if isinstance(error, str | dict)]
    said = [found.message, *(detail for detail in details if isinstance(detail, str))]
    return " ".join(terminal_safe(" · ".join(part for part in said if part)).split())


def too_fast(body: bytes) -> bool:
    """Whether a 422 is a secondary limit: the code "abuse" without a word (octokit/plugin-throttling.js#775), or these
    words (cli/cli#4801)."""
    try:
        found = _read(body, _Complaint)
    except ValueError:
        return False
    coded = any(isinstance(error, dict) and error.get("code") == "abuse" for error in found.errors)
    return coded or "submitted too quickly" in complaint(body).lower()


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise ValueError("The answer is nested too deeply.") from None
