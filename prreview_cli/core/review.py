"""A review: what the agent hands in, what is stored, and what the tool prints. One schema."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

SCHEMA_VERSION = 1


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    def at_least(self, other: Severity) -> bool:
        """Whether this is as bad as `other` or worse."""
        order = list(Severity)
        return order.index(self) <= order.index(other)


class Side(StrEnum):
    """LEFT is the base's text, RIGHT the head's."""

    LEFT = "LEFT"
    RIGHT = "RIGHT"


class ReviewStatus(StrEnum):
    """What a review is worth. Only `complete` means that nothing was left out."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One remark, on lines `start_line`..`line` (1-based, inclusive) of `path` on one side of the diff."""

    path: str
    line: int
    severity: Severity
    title: str
    explanation: str
    start_line: int | None = None
    side: Side = Side.RIGHT
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """What the agent handed in and what passed schema and anchors."""

    summary: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Omission:
    """A changed file whose whole diff did not reach the model, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which changed files the model saw whole."""

    reviewed: tuple[str, ...] = ()
    omitted: tuple[Omission, ...] = ()

    @property
    def full(self) -> bool:
        """Whether nothing was left out."""
        return not self.omitted


@dataclass(frozen=True, slots=True)
class Usage:
    """What a review used of the model; input tokens include those written to and read from the cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    model_calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            round(self.usd + other.usd, 6),
            self.model_calls + other.model_calls,
        )


@dataclass(frozen=True, slots=True)
class Review:
    """A finished review, complete or partial, as it is stored and rendered.

    `notes` are sentences of ours that the posted body must carry (a missing layer of the cell).
    """

    status: ReviewStatus
    environment: str
    repository: str
    repository_id: int
    number: int
    run: int
    base_sha: str
    reviewed_sha: str
    contract_version: str
    guidelines_version: str | None
    model: str
    summary: str
    findings: tuple[Finding, ...]
    coverage: Coverage
    usage: Usage
    attempts: int = 0
    reason: str | None = None
    notes: tuple[str, ...] = ()
    review_id: str | None = None

    def counts(self) -> dict[Severity, int]:
        """The number of findings of each severity."""
        return {severity: sum(f.severity is severity for f in self.findings) for severity in Severity}

    def posted_as(self, review_id: str) -> Review:
        """The same review, standing on the host under this id."""
        return replace(self, review_id=review_id)


def to_json(review: Review) -> dict[str, Any]:
    """The stored and printed form (SPEC §7), ready for `json.dumps`."""
    coverage = review.coverage
    return {
        "schema_version": SCHEMA_VERSION,
        "status": review.status.value,
        "reason": review.reason,
        "environment": review.environment,
        "repository": review.repository,
        "repository_id": review.repository_id,
        "number": review.number,
        "run": review.run,
        "base_sha": review.base_sha,
        "reviewed_sha": review.reviewed_sha,
        "contract_version": review.contract_version,
        "guidelines_version": review.guidelines_version,
        "model": review.model,
        "summary": review.summary,
        "findings": [asdict(finding) for finding in review.findings],
        "coverage": {
            "full": coverage.full,
            "reviewed": list(coverage.reviewed),
            "omitted": [asdict(omission) for omission in coverage.omitted],
        },
        "usage": asdict(review.usage),
        "attempts": review.attempts,
        "notes": list(review.notes),
        "posted": None if review.review_id is None else {"review_id": review.review_id},
        "fail_on": "never",
    }


def from_json(data: dict[str, Any]) -> Review:
    """The review that `to_json` wrote; KeyError or ValueError if it is not one."""
    if data["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"A stored review has schema version {data['schema_version']!r}; this program knows {SCHEMA_VERSION}.")
    coverage, posted = data["coverage"], data["posted"]
    return Review(
        status=ReviewStatus(data["status"]),
        environment=data["environment"],
        repository=data["repository"],
        repository_id=data["repository_id"],
        number=data["number"],
        run=data["run"],
        base_sha=data["base_sha"],
        reviewed_sha=data["reviewed_sha"],
        contract_version=data["contract_version"],
        guidelines_version=data["guidelines_version"],
        model=data["model"],
        summary=data["summary"],
        findings=tuple(finding_from_json(finding) for finding in data["findings"]),
        coverage=Coverage(tuple(coverage["reviewed"]), tuple(Omission(**omission) for omission in coverage["omitted"])),
        usage=Usage(**data["usage"]),
        attempts=data["attempts"],
        reason=data["reason"],
        notes=tuple(data["notes"]),
        review_id=None if posted is None else posted["review_id"],
    )


def finding_from_json(data: dict[str, Any]) -> Finding:
    """A finding in the wire form of SPEC §9; KeyError, TypeError or ValueError if it is not one."""
    return Finding(**{**data, "severity": Severity(data["severity"]), "side": Side(data.get("side") or Side.RIGHT)})
