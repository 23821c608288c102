"""The marker: a hidden comment in a posted review by which we find our own again.

It names everything that makes a review ours and unique, and enough to answer for it without asking
the model again: the status and the counts by severity. Only a marker in a review by our own login
counts; anybody can copy the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prreview_cli.core.review import ReviewStatus, Severity

_MARKER = re.compile(
    r"<!-- prreview environment=(?P<environment>[a-z0-9][a-z0-9_-]*) repository=(?P<repository>[0-9]{1,16}) number=(?P<number>[0-9]{1,16})"
    r" head=(?P<head>[0-9a-f]{40}|[0-9a-f]{64}) run=(?P<run>[0-9]{1,16}) contract=(?P<contract>[\w.-]+) status=(?P<status>\w+)"
    r" error=(?P<error>[0-9]{1,16}) warning=(?P<warning>[0-9]{1,16}) info=(?P<info>[0-9]{1,16}) -->"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What must match for a review to be the one we look for; the contract's version need not."""

    environment: str
    repository_id: int
    number: int
    head_sha: str
    run: int


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker's content."""

    identity: Identity
    contract_version: str
    status: ReviewStatus
    counts: tuple[int, int, int]  # error, warning, info


def render(marker: Marker) -> str:
    """The marker as a hidden comment, one line."""
    identity, (error, warning, info) = marker.identity, marker.counts
    return (
        f"<!-- prreview environment={identity.environment} repository={identity.repository_id} number={identity.number}"
        f" head={identity.head_sha} run={identity.run} contract={marker.contract_version} status={marker.status}"
        f" error={error} warning={warning} info={info} -->"
    )


def parse(body: str) -> Marker | None:
    """The last marker in a review's body (ours closes the body), or None."""
    found = next(reversed(list(_MARKER.finditer(body))), None)
    if found is None or found["status"] not in set(ReviewStatus):
        return None
    identity = Identity(found["environment"], int(found["repository"]), int(found["number"]), found["head"], int(found["run"]))
    counts = tuple(int(found[severity]) for severity in Severity)
    return Marker(identity, found["contract"], ReviewStatus(found["status"]), counts)  # type: ignore[arg-type]
