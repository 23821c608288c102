"""Every request that is ever sent to GitHub, as plain values.

A `Request` names one of the routes below and nothing else, and the only way to write a review has
no place for an event: what it posts is a COMMENT. To approve, to merge or to label cannot be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any
from urllib.parse import quote, urlencode

from prreview_cli.core.review import Side
from prreview_cli.hosts.github import fields

PAGE_SIZE = 100
TEXTS_PAGE_SIZE = 50
"""A hundred descriptions or reviews of 65,536 characters, of four bytes each, would be more than the client reads of one answer."""


class Route(Enum):
    """Method and path; all there are."""

    USER = "GET", "/user"
    APP = "GET", "/app"
    INSTALLATION = "GET", "/repos/{owner}/{name}/installation"
    MINT = "POST", "/app/installations/{id}/access_tokens"
    INSTALLED = "GET", "/installation/repositories"
    USER_REPOSITORIES = "GET", "/user/repos"
    RATE_LIMIT = "GET", "/rate_limit"
    REPOSITORY = "GET", "/repositories/{id}"
    PULLS = "GET", "/repos/{owner}/{name}/pulls"
    PULL = "GET", "/repos/{owner}/{name}/pulls/{number}"
    COMPARE = "GET", "/repos/{owner}/{name}/compare/{base}...{head}"
    PERMISSION = "GET", "/repos/{owner}/{name}/collaborators/{login}/permission"
    REVIEWS = "GET", "/repos/{owner}/{name}/pulls/{number}/reviews"
    POST_REVIEW = "POST", "/repos/{owner}/{name}/pulls/{number}/reviews"
    EDIT_REVIEW = "PUT", "/repos/{owner}/{name}/pulls/{number}/reviews/{review}"
    DELETE_PENDING = "DELETE", "/repos/{owner}/{name}/pulls/{number}/reviews/{review}"

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.value[0]

    @property
    def template(self) -> str:
        """The path with its places."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Comment:
    """A remark on lines `start_line`..`line` of `path`, on one side of the diff."""

    path: str
    line: int
    side: Side
    body: str
    start_line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """GitHub's form; a remark on one line must not name a start."""
        start = {} if self.start_line is None else {"start_line": self.start_line, "start_side": self.side.value}
        return {"path": self.path, "line": self.line, "side": self.side.value, **start, "body": self.body}


@dataclass(frozen=True, slots=True)
class NewReview:
    """A review to post, on exactly this commit."""

    commit_id: str
    body: str
    comments: tuple[Comment, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """GitHub's form. Without an event the review would stay pending, and nobody would see it."""
        comments = [comment.to_json() for comment in self.comments]
        return {"commit_id": self.commit_id, "event": "COMMENT", "body": self.body, "comments": comments}


@dataclass(frozen=True, slots=True)
class NewBody:
    """Another text for a review of ours."""

    body: str

    def to_json(self) -> dict[str, Any]:
        """GitHub's form."""
        return {"body": self.body}


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to mint, for one repository (by its id, or by its name where the id is not known yet) and no more than
    these permissions. With neither: for a list of the installation's repositories."""

    permissions: Mapping[str, str]
    repository_id: int | None = None
    repository: str | None = None

    def to_json(self) -> dict[str, Any]:
        """GitHub's form."""
        whose: dict[str, Any] = {}
        if self.repository_id is not None:
            whose["repository_ids"] = [self.repository_id]
        elif self.repository is not None:
            whose["repositories"] = [self.repository]
        return {**whose, "permissions": dict(self.permissions)}


@dataclass(frozen=True, slots=True)
class Request:
    """One exchange to have. `target` is path and query, below the API's root; `repository` and `repository_id` are
    what its path names."""

    route: Route
    target: str
    body: NewReview | NewBody | NewToken | None = None
    repository: str | None = None
    repository_id: int | None = None

    @property
    def writes(self) -> bool:
        """Whether the host may have changed once this was sent."""
        return self.route.method != "GET"


def user() -> Request:
    """Who the token belongs to."""
    return _request(Route.USER)


def app() -> Request:
    """Which App signed this."""
    return _request(Route.APP)


def installation(full_name: str) -> Request:
    """The App's installation on a repository."""
    return _request(Route.INSTALLATION, full_name)


def mint(installation_id: int, token: NewToken) -> Request:
    """Mint a token of an installation."""
    return _request(Route.MINT, body=token, id=fields.identifier(installation_id))


def installed(page: int) -> Request:
    """One page (from 1) of the repositories of an installation."""
    return _request(Route.INSTALLED, query={"per_page": PAGE_SIZE, "page": page})


def repositories(page: int) -> Request:
    """One page (from 1) of the repositories that the token sees, in the order of their names."""
    return _request(Route.USER_REPOSITORIES, query={"sort": "full_name", "per_page": PAGE_SIZE, "page": page})


def rate_limit() -> Request:
    """A question that every live token may ask."""
    return _request(Route.RATE_LIMIT)


def repository(repository_id: int) -> Request:
    """A repository by its id, whatever it is called now."""
    return replace(_request(Route.REPOSITORY, id=fields.identifier(repository_id)), repository_id=repository_id)


def open_pulls(full_name: str, page: int) -> Request:
    """One page (from 1) of a repository's open pull requests, oldest first, so that a new one moves no other to another page."""
    query: dict[str, str | int] = {"state": "open", "sort": "created", "direction": "asc", "per_page": TEXTS_PAGE_SIZE, "page": page}
    return _request(Route.PULLS, full_name, query)


def pull(full_name: str, number: int) -> Request:
    """A pull request."""
    return _request(Route.PULL, full_name, number=fields.identifier(number))


def compare(full_name: str, base: str, head: str) -> Request:
    """Two commits; of the answer only the merge base is wanted, so it lists as little as it can."""
    return _request(Route.COMPARE, full_name, {"per_page": 1}, base=fields.sha(base), head=fields.sha(head))


def permission(full_name: str, login: str) -> Request:
    """What an account may do in a repository."""
    return _request(Route.PERMISSION, full_name, login=fields.login(login))


def reviews(full_name: str, number: int, page: int) -> Request:
    """One page (from 1) of a pull request's reviews, oldest first."""
    return _request(Route.REVIEWS, full_name, {"per_page": TEXTS_PAGE_SIZE, "page": page}, number=fields.identifier(number))


def post_review(full_name: str, number: int, review: NewReview) -> Request:
    """Post a review, in one call."""
    fields.sha(review.commit_id)
    return _request(Route.POST_REVIEW, full_name, body=review, number=fields.identifier(number))


def edit_review(full_name: str, number: int, review_id: int, body: NewBody) -> Request:
    """Replace the text of a review of ours."""
    return _request(Route.EDIT_REVIEW, full_name, body=body, number=fields.identifier(number), review=fields.identifier(review_id))


def delete_pending(full_name: str, number: int, review_id: int) -> Request:
    """Delete a pending review of ours; the host refuses it for a submitted one."""
    return _request(Route.DELETE_PENDING, full_name, number=fields.identifier(number), review=fields.identifier(review_id))


def _request(
    route: Route,
    full_name: str | None = None,
    query: Mapping[str, str | int] | None = None,
    *,
    body: NewReview | NewBody | NewToken | None = None,
    **places: str | int,
) -> Request:
    if full_name is not None:
        places["owner"], places["name"] = fields.full_name(full_name).split("/")
    path = route.template.format_map({key: quote(str(value), safe="") for key, value in places.items()})
    return Request(route, f"{path}?{urlencode(query)}" if query else path, body, full_name)
