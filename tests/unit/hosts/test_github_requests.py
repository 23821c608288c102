from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import prreview_cli.hosts.github as package
from prreview_cli.core.review import Side
from prreview_cli.hosts.github import requests
from prreview_cli.hosts.github.requests import Comment, NewBody, NewReview, Route
from support import github_openapi

SHA = "a" * 40
WRITES = {("POST", "reviews"), ("PUT", "{review}"), ("DELETE", "{review}"), ("POST", "access_tokens")}


def test_the_only_writes_are_to_reviews_and_mint_tokens() -> None:
    writes = {(route.method, route.template.rsplit("/", 1)[1]) for route in Route if route.method != "GET"}
    assert writes == WRITES


def test_no_event_but_comment_can_be_said() -> None:
    assert "event" not in {field.name for field in dataclasses.fields(NewReview)}
    assert NewReview(SHA, "text").to_json()["event"] == "COMMENT"
    code = "".join(path.read_text() for path in Path(inspect.getfile(package)).parent.glob("*.py"))
    assert not re.search("APPROVE|REQUEST_CHANGES|dismiss|merge_method|/merge\\b|/labels", code)


def test_a_review_is_what_github_publishes() -> None:
    comments = (Comment("a b/é.py", 5, Side.RIGHT, "text"), Comment("x", 9, Side.LEFT, "text", start_line=7))
    request = requests.post_review("octo/demo", 3, NewReview(SHA, "body", comments))
    assert (request.route, request.target) == (Route.POST_REVIEW, "/repos/octo/demo/pulls/3/reviews")
    assert request.body is not None
    sent = request.body.to_json()
    assert sent == {
        "commit_id": SHA,
        "event": "COMMENT",
        "body": "body",
        "comments": [
            {"path": "a b/é.py", "line": 5, "side": "RIGHT", "body": "text"},
            {"path": "x", "line": 9, "side": "LEFT", "start_line": 7, "start_side": "LEFT", "body": "text"},
        ],
    }
    github_openapi.check_request("POST", request.target, sent)


def test_each_question_has_its_path() -> None:
    built = {
        requests.user(): "GET /user",
        requests.rate_limit(): "GET /rate_limit",
        requests.repositories(2): "GET /user/repos?sort=full_name&per_page=100&page=2",
        requests.open_pulls("octo/demo", 2): "GET /repos/octo/demo/pulls?state=open&sort=created&direction=asc&per_page=50&page=2",
        requests.repository(7): "GET /repositories/7",
        requests.pull("octo/demo", 3): "GET /repos/octo/demo/pulls/3",
        requests.compare("octo/demo", SHA, "b" * 40): f"GET /repos/octo/demo/compare/{SHA}...{'b' * 40}?per_page=1",
        requests.permission("octo/demo", "dependabot[bot]"): "GET /repos/octo/demo/collaborators/dependabot%5Bbot%5D/permission",
        requests.reviews("octo/demo", 3, 2): "GET /repos/octo/demo/pulls/3/reviews?per_page=50&page=2",
        requests.edit_review("octo/demo", 3, 9, NewBody("x")): "PUT /repos/octo/demo/pulls/3/reviews/9",
        requests.delete_pending("octo/demo", 3, 9): "DELETE /repos/octo/demo/pulls/3/reviews/9",
    }
    for request, expected in built.items():
        assert f"{request.route.method} {request.target}" == expected
        assert request.writes is not expected.startswith("GET")


@pytest.mark.parametrize(
    "name",
    ["octo", "octo/demo/pulls", "../user", "octo/..", "./x", "octo/de?mo", "octo/de#mo", "octo/de mo", "octo/%2e%2e", "", "a" * 101 + "/x"],
)
def test_a_name_cannot_lead_to_another_route(name: str) -> None:
    with pytest.raises(ValueError):
        requests.pull(name, 3)
    with pytest.raises(ValueError):
        requests.open_pulls(name, 1)


def test_neither_can_a_number_a_commit_or_a_login() -> None:
    for number in (0, -1, 2**53, True):
        with pytest.raises(ValueError):
            requests.pull("octo/demo", number)
    for sha in ("main", "a" * 39, "A" * 40, SHA + "\n", "../" + SHA):
        with pytest.raises(ValueError):
            requests.compare("octo/demo", sha, SHA)
        with pytest.raises(ValueError):
            requests.post_review("octo/demo", 3, NewReview(sha, "x"))
    for login in ("", "..", "a/b", "a?b", "[bot]", "é"):
        with pytest.raises(ValueError):
            requests.permission("octo/demo", login)
