"""The exit code of a review: the worst of what holds."""

from __future__ import annotations

import pytest

from prreview_cli.core.errors import ExitCode
from prreview_cli.core.gate import FailOn, exit_code
from prreview_cli.core.review import ReviewStatus, Severity

WARNING = {Severity.ERROR: 0, Severity.WARNING: 2, Severity.INFO: 0}
COMPLETE, PARTIAL, SKIPPED = ReviewStatus.COMPLETE, ReviewStatus.PARTIAL, ReviewStatus.SKIPPED


@pytest.mark.parametrize(
    ("status", "fail_on", "require", "expected"),
    [
        (COMPLETE, FailOn.NEVER, True, ExitCode.DONE),
        (COMPLETE, FailOn.ERROR, False, ExitCode.DONE),
        (COMPLETE, FailOn.WARNING, False, ExitCode.BROKEN),
        (COMPLETE, FailOn.INFO, False, ExitCode.BROKEN),
        (PARTIAL, FailOn.NEVER, False, ExitCode.INCOMPLETE),
        (PARTIAL, FailOn.WARNING, True, ExitCode.BROKEN),
        (SKIPPED, FailOn.NEVER, False, ExitCode.DONE),
        (SKIPPED, FailOn.NEVER, True, ExitCode.INCOMPLETE),
        (ReviewStatus.SUPERSEDED, FailOn.WARNING, True, ExitCode.SUPERSEDED),
    ],
)
def test_the_worst_of_what_holds_is_the_exit_code(status: ReviewStatus, fail_on: FailOn, require: bool, expected: ExitCode) -> None:
    assert exit_code(status, WARNING, fail_on, require=require) is expected


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (ExitCode.FORBIDDEN, ExitCode.FORBIDDEN),
        (ExitCode.TRANSIENT, ExitCode.TRANSIENT),
        (ExitCode.INCOMPLETE, ExitCode.BROKEN),  # findings were stored before the failure
    ],
)
def test_a_failure_counts_among_them(failure: ExitCode, expected: ExitCode) -> None:
    assert exit_code(ReviewStatus.FAILED, WARNING, FailOn.WARNING, failure) is expected


def test_what_failed_without_a_class_of_its_own_is_still_incomplete_if_required() -> None:
    assert exit_code(ReviewStatus.FAILED, {}, FailOn.NEVER, ExitCode.INCOMPLETE, require=True) is ExitCode.INCOMPLETE
