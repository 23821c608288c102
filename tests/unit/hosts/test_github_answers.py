from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prreview_cli.core import errors
from prreview_cli.core.ports.host import SeenRepository
from prreview_cli.hosts.github import answers, requests
from prreview_cli.hosts.github.client import Answer
from prreview_cli.hosts.github.failures import failure

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
READ = requests.pull("octo/demo", 3)
WRITE = requests.post_review("octo/demo", 3, requests.NewReview("a" * 40, "x"))


def raised(status: int, message: str = "", request: requests.Request = READ, **headers: str) -> errors.Failure:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failure(
        request, Answer(status, named, json.dumps({"message": message}).encode()), NOON, lambda text: text.replace("secret", "***")
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, errors.HostUnreachable),
        (400, errors.HostUnreachable),
        (401, errors.HostTokenRejected),
        (403, errors.RepositoryForbidden),
        (404, errors.RepositoryForbidden),
        (410, errors.RepositoryForbidden),
        (429, errors.HostRateLimited),
        (451, errors.RepositoryForbidden),
        (500, errors.HostUnreachable),
        (502, errors.HostUnreachable),
        (503, errors.HostUnreachable),
        (599, errors.HostUnreachable),
    ],
)
def test_a_status_means_a_class_of_failure(status: int, expected: type[errors.Failure]) -> None:
    assert type(raised(status)) is expected


@pytest.mark.parametrize("status", [400, 405, 409, 413, 422])
def test_a_refused_write_is_a_refused_post(status: int) -> None:
    assert type(raised(status, request=WRITE)) is errors.PostRefused


@pytest.mark.parametrize(
    ("status", "headers", "message", "seconds"),
    [
        (403, {"retry_after": "90"}, "", 90),
        (429, {"retry_after": "Tue, 24 Nov 2026 12:02:00 GMT"}, "", 120),
        (429, {"retry_after": "soon"}, "", 60),
        (429, {"retry_after": "-5"}, "", 60),
        (429, {}, "", 60),
        (403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(int(NOON.timestamp()) + 900)}, "", 900),
        (403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "0"}, "", 0),
        (403, {"x_ratelimit_remaining": "0"}, "", 60),
        (403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "9" * 30}, "", 86_400),
        (403, {"retry_after": "9" * 30}, "", 86_400),
        (403, {"x_ratelimit_remaining": "4999"}, "You have exceeded a secondary rate limit.", 60),
    ],
)
def test_a_rate_limit_says_when_to_come_back(status: int, headers: dict[str, str], message: str, seconds: float) -> None:
    for request in (READ, WRITE):
        found = raised(status, message, request, **headers)
        assert type(found) is errors.HostRateLimited
        assert found.retry_at == NOON + timedelta(seconds=seconds)


def test_an_overloaded_host_says_when_too() -> None:
    assert raised(503, retry_after="30").retry_at == NOON + timedelta(seconds=30)
    assert raised(503).retry_at is None


def test_what_the_host_says_is_redacted_before_it_is_cut() -> None:
    told = str(raised(404, "x" * 195 + "secret" + "y" * 500))
    assert "secr" not in told
    assert "***" in told
    assert len(told) < 300


def test_what_the_host_says_cannot_steer_a_terminal() -> None:
    told = str(raised(404, "a\x1b]52;c;x\x07\nb\u202ec"))
    assert told.endswith(": a bc.")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "Validation Failed", "errors": ["Line could not be resolved"]}, "Validation Failed · Line could not be resolved"),
        ({"message": "Unprocessable", "errors": [{"message": "too long", "code": "custom"}, {"code": "x"}, 3]}, "Unprocessable · too long"),
        ({"message": "No", "errors": "User can only have one pending review"}, "No · User can only have one pending review"),
        ({"documentation_url": "x"}, ""),
        ([], ""),
    ],
)
def test_a_complaint_is_read_in_each_of_its_forms(body: Any, said: str) -> None:
    assert answers.complaint(json.dumps(body).encode()) == said


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"message": 5}', b"[" * 100_000, b'{"message": "\xff"}'])
def test_an_unreadable_complaint_is_none(body: bytes) -> None:
    assert answers.complaint(body) == ""


@pytest.mark.parametrize(
    ("permission", "role", "may"),
    [
        ("admin", "admin", True),
        ("write", "maintain", True),
        ("write", "write", True),
        ("write", "a custom role", True),
        ("read", "maintain", True),
        ("read", "triage", False),
        ("read", "read", False),
        ("none", "", False),
        ("", "", False),
    ],
)
def test_only_write_and_more_may_write(permission: str, role: str, *, may: bool) -> None:
    assert answers.may_write(json.dumps({"permission": permission, "role_name": role}).encode()) is may


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b'{"id": "1"}', b'{"id": 0}', b"[" * 100_000])
def test_an_answer_that_is_no_review_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        answers.review(body)


def test_what_a_host_leaves_out_is_unknown_and_not_an_error() -> None:
    bare = {
        "number": 3,
        "state": "open",
        "head": {"sha": "a" * 40},
        "base": {"sha": "b" * 40, "ref": "main", "repo": {"id": 7, "full_name": "octo/demo"}},
    }
    pull = answers.pull_request(json.dumps(bare).encode())
    assert (pull.updated_at, pull.author_association, pull.draft, pull.title) == (None, "NONE", False, "")
    assert answers.merge_base(b'{"status": "diverged"}') is None


def test_archived_and_disabled_repositories_keep_their_place_on_the_page() -> None:
    listed = [
        {"id": 7, "full_name": "octo/a"},
        {"id": 8, "full_name": "octo/b", "archived": True},
        {"id": 9, "full_name": "octo/c", "disabled": True},
    ]
    assert answers.repositories(json.dumps(listed).encode()) == [SeenRepository(7, "octo/a"), None, None]


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b"[null]", b'[{"id": 7}]', b'[{"id": 7, "full_name": "octo"}]', b"[" * 100_000])
def test_an_answer_that_is_no_list_of_repositories_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        answers.repositories(body)
    with pytest.raises(ValueError):
        answers.pull_requests(body)
