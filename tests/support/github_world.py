"""A GitHub of one repository, one pull request and its reviews, behind httpx; every exchange is held against the OpenAPI."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from prreview_cli.core.ports.host import PullRequest
from prreview_cli.core.review import Coverage, Finding, Review, ReviewStatus, Severity, Usage
from support import github_openapi
from support.github_app import SLUG, AppWorld
from support.github_openapi import example, merged

API = "http://api.github.test"
TOKEN = "github_pat_canary_0123456789abcdefghijklmnopqrstuv"
OURS = "prreview-bot"
HEAD = "a" * 40
BASE_TIP = "b" * 40
MERGE_BASE = "c" * 40

REVIEW = Review(
    status=ReviewStatus.COMPLETE,
    environment="test",
    repository="octo/demo",
    repository_id=7,
    number=3,
    run=0,
    base_sha=MERGE_BASE,
    reviewed_sha=HEAD,
    contract_version="1",
    guidelines_version=None,
    model="claude-test-1",
    summary="It adds a thing.",
    findings=(Finding("thing.py", 4, Severity.ERROR, "Title", "Explanation.", start_line=2),),
    coverage=Coverage(("thing.py",)),
    usage=Usage(10, 10, 0.01, 1),
)

PULL = PullRequest(
    repository_id=7,
    repository="octo/demo",
    number=3,
    title="Add a thing",
    body="",
    author="alice",
    open=True,
    draft=False,
    head_sha=HEAD,
    base_sha=BASE_TIP,
    base_ref="main",
    updated_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
)

Scripted = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@dataclass
class GitHubWorld:
    """What the host holds. `script` gives the next answers of a route (method, path) in the place of the world's own."""

    repository_id: int = 7
    full_name: str = "octo/demo"
    number: int = 3
    pull: dict[str, Any] = field(default_factory=dict)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    more_pulls: list[dict[str, Any]] = field(default_factory=list)
    permissions: dict[str, tuple[str, str]] = field(default_factory=dict)
    old_names: set[str] = field(default_factory=set)
    user: int = 200
    user_headers: dict[str, str] = field(default_factory=dict)
    script: dict[tuple[str, str], list[Scripted]] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    headers: list[httpx.Headers] = field(default_factory=list)
    link_headers: bool = True
    app: AppWorld | None = None

    @property
    def ours(self) -> str:
        """Who posts here: the token's account, or the App's."""
        return OURS if self.app is None else f"{SLUG}[bot]"

    @property
    def pulls(self) -> str:
        return f"/repos/{self.full_name}/pulls/{self.number}"

    def next_answer(self, method: str, path: str, *answers: Scripted) -> None:
        self.script.setdefault((method, path), []).extend(answers)

    def add_review(self, body: str, login: str | None = "", state: str = "COMMENTED", commit: str = HEAD) -> dict[str, Any]:
        path = f"{self.pulls}/reviews"
        one = (example("GET", path) or [{}])[0]
        one = merged(one, {"id": 1000 + len(self.reviews), "body": body, "state": state, "commit_id": commit})
        one["user"] = None if login is None else merged(one.get("user") or {}, {"login": login or self.ours})
        self.reviews.append(one)
        return one

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """One exchange, recorded and checked both ways."""
        path = httpx.URL(str(request.url)).path
        sent = json.loads(request.content) if request.content else None
        github_openapi.check_request(request.method, path, sent)
        self.seen.append((request.method, path))
        self.bodies.append(sent)
        self.headers.append(request.headers)
        scripted = self.script.get((request.method, path))
        if scripted:
            answer = scripted.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer(request) if callable(answer) else answer
        answer = self._for_app(request, path, sent) or self._answer(request, path, sent)
        github_openapi.check_response(request.method, path, answer.status_code, json.loads(answer.content) if answer.content else None)
        return answer

    def _for_app(self, request: httpx.Request, path: str, sent: Any) -> httpx.Response | None:
        """What only an App is answered: its own routes, and a refusal where its token does not open the repository."""
        if self.app is None:
            return None
        if path.startswith(tuple(f"/repos/{name}/" for name in self.old_names)):
            return self._answer(request, path, sent)
        if (answer := self.app.answer(request, path, sent)) is not None:
            return answer
        opened = self.app.opened_by(request)
        if opened is None:
            return httpx.Response(401, json={"message": "Bad credentials"})
        if path == "/installation/repositories":
            page = self._page(request, [{"id": self.repository_id, "full_name": self.full_name}, *self.others])
            shown = json.loads(page.content)
            link = {"link": page.headers["link"]} if "link" in page.headers else {}
            published = (example("GET", path).get("repositories") or [{}])[0] if example("GET", path) else {}
            return httpx.Response(200, json={"total_count": len(shown), "repositories": [published | one for one in shown]}, headers=link)
        return None if self.repository_id in opened else httpx.Response(404, json={"message": "Not Found"})

    def _answer(self, request: httpx.Request, path: str, sent: Any) -> httpx.Response:
        if path in {"/user", "/rate_limit"}:
            return self._me(path)
        if path == f"/repositories/{self.repository_id}":
            return httpx.Response(200, json={"id": self.repository_id, "full_name": self.full_name})
        name = re.match(r"/repos/([^/]+/[^/]+)", path)
        if name and name[1] in self.old_names:
            return httpx.Response(301, json={"message": "Moved Permanently"}, headers={"location": "https://evil.test/steal"})
        if request.method == "GET" and path == self.pulls:
            return httpx.Response(200, json=self.pull_json())
        if path in {"/user/repos", f"/repos/{self.full_name}/pulls"}:
            return self._list(request, path)
        if path == f"{self.pulls}/reviews":
            return self._page(request, self.reviews) if request.method == "GET" else self._post(sent)
        if found := re.fullmatch(f"{self.pulls}/reviews/([0-9]+)", path):
            return self._one(request.method, int(found[1]), sent)
        if path.startswith(f"/repos/{self.full_name}/compare/"):
            return httpx.Response(200, json=merged(example("GET", path), {"merge_base_commit": {"sha": MERGE_BASE}}))
        if found := re.fullmatch(f"/repos/{self.full_name}/collaborators/([^/]+)/permission", path):
            return self._permission(path, found[1])
        return httpx.Response(404, json={"message": "Not Found"})

    def pull_json(self) -> dict[str, Any]:
        base = example("GET", self.pulls)
        repo = {"id": self.repository_id, "full_name": self.full_name}
        known = {
            "number": self.number,
            "state": "open",
            "draft": False,
            "title": "Add a thing",
            "body": "It adds a thing.",
            "updated_at": "2026-11-24T12:00:00Z",
            "author_association": "MEMBER",
            "requested_teams": [],  # the published example is not one by the published schema
            "user": {"login": "alice"},
            "head": {"sha": HEAD},
            "base": {"sha": BASE_TIP, "ref": "main", "repo": repo},
        }
        return dict(merged(merged(base, known), self.pull))

    def _me(self, path: str) -> httpx.Response:
        if path == "/rate_limit":
            return httpx.Response(200, json=example("GET", path))
        if self.user != 200:
            return httpx.Response(self.user, json={"message": "Resource not accessible by integration"}, headers=self.user_headers)
        return httpx.Response(200, json=merged(example("GET", path), {"login": OURS}), headers=self.user_headers)

    def _list(self, request: httpx.Request, path: str) -> httpx.Response:
        if path == "/user/repos":
            return self._page(request, [{"id": self.repository_id, "full_name": self.full_name}, *self.others])
        assert (request.url.params["state"], request.url.params["direction"]) == ("open", "asc")
        simple = (example("GET", path) or [{}])[0]
        shown = [{key: value for key, value in one.items() if not simple or key in simple} for one in (self.pull_json(), *self.more_pulls)]
        return self._page(request, [merged(simple, one) for one in shown])

    def _page(self, request: httpx.Request, items: list[dict[str, Any]]) -> httpx.Response:
        page, size = int(request.url.params["page"]), int(request.url.params["per_page"])
        listed = items[(page - 1) * size : page * size]
        more = page * size < len(items)
        link = {"link": '<https://evil.test/steal?page=2>; rel="next"' if more else '<https://evil.test/>; rel="prev"'}
        return httpx.Response(200, json=listed, headers=link if self.link_headers else {})

    def _post(self, sent: dict[str, Any]) -> httpx.Response:
        stored = self.add_review(sent["body"], commit=sent["commit_id"])
        return httpx.Response(200, json=stored)

    def _one(self, method: str, review_id: int, sent: Any) -> httpx.Response:
        review = next((review for review in self.reviews if review["id"] == review_id), None)
        if review is None:
            return httpx.Response(404, json={"message": "Not Found"})
        if method == "PUT":
            review["body"] = sent["body"]
        else:
            assert method == "DELETE"
            assert review["state"] == "PENDING"
            self.reviews.remove(review)
        return httpx.Response(200, json=review)

    def _permission(self, path: str, login: str) -> httpx.Response:
        if login not in self.permissions:
            return httpx.Response(404, json={"message": f"{login} is not a user"})
        permission, role = self.permissions[login]
        return httpx.Response(
            200, json=merged(example("GET", path), {"permission": permission, "role_name": role, "user": {"role_name": role}})
        )
