"""What a review means for whoever waits for its exit code (SPEC §3): pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from prreview_cli.core.errors import ExitCode, worst
from prreview_cli.core.review import ReviewStatus, Severity


class FailOn(StrEnum):
    """From which severity on a finding fails the caller. A review informs; a gate is chosen."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


def exit_code(
    status: ReviewStatus, counts: Mapping[Severity, int], fail_on: FailOn, failure: ExitCode | None = None, *, require: bool = False
) -> ExitCode:
    """The worst of what holds. `failure` is the code of what kept the review from being made or posted;
    `require`: anything but a complete review is incomplete, a skip too."""
    codes = {ExitCode.DONE} if failure is None else {failure}
    if status is ReviewStatus.SUPERSEDED:
        codes.add(ExitCode.SUPERSEDED)
    if status is ReviewStatus.PARTIAL or (require and status is not ReviewStatus.COMPLETE):
        codes.add(ExitCode.INCOMPLETE)
    if fail_on is not FailOn.NEVER and any(n and severity.at_least(Severity(fail_on.value)) for severity, n in counts.items()):
        codes.add(ExitCode.BROKEN)
    return worst(codes)
