"""What `review` says of a failure to whoever waited for it."""

from __future__ import annotations

import pytest

from prreview_cli.cli.review_output import Format, say_failure
from prreview_cli.core import errors


@pytest.mark.parametrize(
    "kind",
    [
        errors.ModelRateLimited,
        errors.ModelOverloaded,
        errors.HostRateLimited,
        errors.HostWritesSpent,
        errors.AmbiguousPost,
        errors.CircuitOpen,
    ],
)
def test_it_does_not_promise_that_somebody_tries_again(kind: type[errors.Failure], capsys: pytest.CaptureFixture[str]) -> None:
    say_failure(kind("Not now."), Format.JSON)

    told = capsys.readouterr().err
    assert "Nothing to do" not in told
    assert "Run it again later" in told


def test_every_other_failure_keeps_its_own_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    say_failure(errors.TurnLimitReached("No."), Format.JSON)

    assert errors.TurnLimitReached.default_remedy in capsys.readouterr().err
