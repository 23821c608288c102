"""What GitHub's limits and bad days mean, and until when it does not want to hear from us."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from prreview_cli.core import errors
from prreview_cli.core.circuit import DOWN, Service
from prreview_cli.core.profile import Host
from prreview_cli.hosts.github import requests
from prreview_cli.hosts.github.client import Answer
from prreview_cli.hosts.github.failures import LEAST_WAIT, LONGEST_WAIT, failure
from prreview_cli.hosts.github.pacing import pace_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


def meant(status: int, headers: Mapping[str, str], message: str = "") -> errors.Failure:
    return failure(requests.user(), Answer(status, headers, json.dumps({"message": message}).encode()), NOW, str)


@pytest.mark.parametrize(
    ("status", "headers", "message", "wait_s"),
    [
        (403, {"retry-after": "7", "x-ratelimit-remaining": "4999"}, SECONDARY, 7),
        (429, {"retry-after": "7"}, SECONDARY, 7),
        (429, {"retry-after": "7", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH + 900)}, "", 7),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH + 900)}, "API rate limit exceeded", 900),
        (429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH + 900)}, "", 900),
        (429, {"retry-after": "Tue, 24 Nov 2026 12:02:00 GMT"}, "", 120),
        (403, {}, SECONDARY, LEAST_WAIT.total_seconds()),
        (429, {}, "", LEAST_WAIT.total_seconds()),
        (429, {"retry-after": "soon"}, "", LEAST_WAIT.total_seconds()),
        (429, {"retry-after": "99999999999"}, "", LONGEST_WAIT.total_seconds()),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH - 900)}, "", 0),
        (429, {"retry-after": "-5"}, "", LEAST_WAIT.total_seconds()),
        (429, {"retry-after": f"Tue, 24 Nov 2026 12:02:00 +{'9' * 20}"}, "", LEAST_WAIT.total_seconds()),
        (422, {}, "Validation Failed: was submitted too quickly", LEAST_WAIT.total_seconds()),
        # Our clock is an hour ahead, or behind: what counts is how far ahead it is for the host.
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(EPOCH - 3540), "date": "Tue, 24 Nov 2026 11:00:00 GMT"}, "", 60),
        (429, {"retry-after": "Tue, 24 Nov 2026 13:02:00 GMT", "date": "Tue, 24 Nov 2026 13:00:00 GMT"}, "", 120),
        (429, {"retry-after": "7", "date": "Tue, 24 Nov 2026 13:00:00 GMT"}, "", 7),
        (429, {"retry-after": "Tue, 24 Nov 2026 12:02:00 GMT", "date": "soon"}, "", 120),
        (429, {"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT", "date": "Mon, 01 Jan 1990 00:00:00 GMT"}, "", LEAST_WAIT.total_seconds()),
    ],
)
def test_a_limit_is_waited_for_as_it_says(status: int, headers: dict[str, str], message: str, wait_s: float) -> None:
    found = meant(status, headers, message)
    assert type(found) is errors.HostRateLimited
    assert found.retry_at == NOW + timedelta(seconds=wait_s)


def test_a_reset_counts_only_where_nothing_remains() -> None:
    found = meant(429, {"x-ratelimit-remaining": "10", "x-ratelimit-reset": str(EPOCH + 3600)})
    assert found.retry_at == NOW + LEAST_WAIT


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_5xx_is_an_outage_with_the_hint_that_it_gives(status: int) -> None:
    found, hinted = meant(status, {}), meant(status, {"retry-after": "30"})
    assert DOWN[type(found)] is Service.HOST
    assert (found.retry_at, hinted.retry_at) == (None, NOW + timedelta(seconds=30))


def test_a_forbidden_repository_is_no_limit() -> None:
    assert type(meant(403, {"x-ratelimit-remaining": "4999"}, "Resource not accessible")) is errors.RepositoryForbidden


def test_by_default_github_is_written_to_at_a_distance_of_more_than_a_second_and_within_a_budget() -> None:
    pace = pace_of(Host().writes_apart_s)
    assert pace.apart_s > 1
    assert pace.burst + 3600 / pace.refill_s <= 500


def test_a_server_without_limits_is_written_to_as_the_profile_says() -> None:
    pace = pace_of(0.25)
    assert (pace.apart_s, pace.refill_s) == (0.25, 0.25)
    assert pace.burst > 100_000
