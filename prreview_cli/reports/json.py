"""The document of SPEC §7: what `review` came to, also where there is no review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prreview_cli.core.contract import CONTRACT_VERSION
from prreview_cli.core.marker import Marker
from prreview_cli.core.review import SCHEMA_VERSION, Review, ReviewStatus, Severity, Usage, to_json


@dataclass(frozen=True, slots=True)
class Unreviewed:
    """A head that was not reviewed: why, and what that has cost so far. `head_sha` "": not known."""

    status: ReviewStatus
    reason: str
    environment: str
    repository: str
    number: int
    head_sha: str
    model: str
    usage: Usage = field(default_factory=Usage)
    attempts: int = 0


def of_review(review: Review, fail_on: str, url: str | None = None) -> dict[str, Any]:
    """A finished review; `url` is its page, where that is known."""
    document = to_json(review)
    posted = None if review.review_id is None else {"review_id": review.review_id, "url": url}
    return document | {"counts": _counts(review.counts()), "posted": posted, "fail_on": fail_on}


def of_marker(marker: Marker, review_id: str, what: Unreviewed, fail_on: str, url: str | None = None) -> dict[str, Any]:
    """A review that the host shows and that is not stored here: as much of it as its marker names."""
    named = {"repository_id": marker.identity.repository_id, "run": marker.identity.run, "contract_version": marker.contract_version}
    known = named | {"counts": _counts(dict(zip(Severity, marker.counts, strict=True)))}
    return of_nothing(what, fail_on) | known | {"posted": {"review_id": review_id, "url": url}}


def of_nothing(what: Unreviewed, fail_on: str) -> dict[str, Any]:
    """The same keys where no review was made: empty, with status and reason."""
    return {
        "schema_version": SCHEMA_VERSION,
        "status": what.status.value,
        "reason": what.reason,
        "environment": what.environment,
        "repository": what.repository,
        "repository_id": None,
        "number": what.number,
        "run": None,
        "base_sha": None,
        "reviewed_sha": what.head_sha or None,
        "contract_version": CONTRACT_VERSION,
        "guidelines_version": None,
        "model": what.model,
        "summary": "",
        "findings": [],
        "counts": _counts({}),
        "coverage": {"full": False, "reviewed": [], "omitted": []},
        "usage": asdict(what.usage),
        "attempts": what.attempts,
        "notes": [],
        "posted": None,
        "fail_on": fail_on,
    }


def _counts(counts: Mapping[Severity, int]) -> dict[str, int]:
    return {severity.value: counts.get(severity, 0) for severity in Severity}
