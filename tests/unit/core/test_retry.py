"""What follows a failure."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prreview_cli.core import errors, retry
from prreview_cli.core.job import Dead, Defer, HandBack, Retry

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
POLICY = retry.Policy(max_attempts=3, backoff_s=1.0, backoff_max_s=10.0)


def classes_of_failure() -> set[type[errors.Failure]]:
    return {
        item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, errors.Failure) and item is not errors.Failure
    }


def test_every_class_of_failure_has_its_line_in_the_table() -> None:
    assert set(retry.RESPONSES) == classes_of_failure()


def test_every_class_of_failure_has_a_name_and_a_remedy_of_its_own() -> None:
    kinds = [failure.kind for failure in classes_of_failure()]
    assert len(set(kinds)) == len(kinds)
    assert all(failure.default_remedy.endswith(".") for failure in classes_of_failure())


def test_a_transient_failure_is_tried_again_with_full_jitter() -> None:
    verdict = retry.decide(errors.ModelOverloaded("The model is overloaded."), 1, POLICY, NOW, lambda: 0.5)
    assert verdict.outcome == Retry("model_overloaded", "The model is overloaded.", NOW + timedelta(seconds=1))


def test_nothing_is_tried_before_the_servers_hint() -> None:
    hint = NOW + timedelta(minutes=7)
    verdict = retry.decide(errors.HostRateLimited("Wait.", retry_at=hint), 0, POLICY, NOW, lambda: 0.99)
    assert isinstance(verdict.outcome, Retry)
    assert verdict.outcome.due == hint


def test_an_outage_charges_nothing_and_ends_no_job_and_still_keeps_to_the_hint() -> None:
    excused, hint = NOW + timedelta(seconds=5), NOW + timedelta(seconds=9)
    verdict = retry.decide(errors.ModelOverloaded("529.", retry_at=hint), 99, POLICY, NOW, lambda: 0.5, excused)
    assert verdict == retry.Verdict(Defer("529. An outage is to blame, so no attempt is charged.", hint))


def test_an_outage_excuses_no_failure_that_would_not_be_tried_again() -> None:
    excused = NOW + timedelta(seconds=5)
    assert isinstance(retry.decide(errors.PostRefused("422."), 0, POLICY, NOW, lambda: 0.5, excused).outcome, Dead)


def test_what_only_has_to_wait_is_not_charged_however_often() -> None:
    hint = NOW + timedelta(minutes=7)
    verdict = retry.decide(errors.HostWritesSpent("Spent.", retry_at=hint), 99, POLICY, NOW, lambda: 0.5)
    assert verdict == retry.Verdict(Defer("Spent.", hint))


def test_the_last_attempt_ends_in_the_dead_letters() -> None:
    verdict = retry.decide(errors.ModelOverloaded("The model is overloaded."), 2, POLICY, NOW, lambda: 0.5)
    assert verdict.outcome == Dead("model_overloaded", "The model is overloaded. That was attempt 3 of 3.")


@pytest.mark.parametrize("failure", [errors.ModelKeyRejected, errors.CreditExhausted, errors.ModelGone, errors.HostTokenRejected])
def test_what_concerns_the_profile_pauses_it_and_charges_nothing(failure: type[errors.Failure]) -> None:
    verdict = retry.decide(failure("Rejected."), 2, POLICY, NOW, lambda: 0.5)
    assert verdict == retry.Verdict(HandBack("Rejected."), pause="Rejected.")


def test_a_spent_day_pauses_until_the_day_ends() -> None:
    verdict = retry.decide(errors.DayBudgetReached("Spent."), 0, POLICY, NOW, lambda: 0.5)
    assert verdict.until == datetime(2026, 11, 25, tzinfo=UTC)


def test_what_concerns_a_repository_ends_its_jobs_alone() -> None:
    verdict = retry.decide(errors.RepositoryForbidden("Gone."), 0, POLICY, NOW, lambda: 0.5)
    assert verdict.outcome == Dead("repository_forbidden", "Gone.", whole_repository=True)
    assert verdict.pause is None


@pytest.mark.parametrize(
    "failure", [errors.BudgetReached, errors.TurnLimitReached, errors.AttemptTimedOut, errors.NoSubmission, errors.SnapshotTooLarge]
)
def test_a_limit_is_not_tried_again(failure: type[errors.Failure]) -> None:
    assert retry.decide(failure("Reached."), 0, POLICY, NOW, lambda: 0.5).outcome == Dead(failure.kind, "Reached.")


@given(attempt=st.integers(1, 500), chance=st.floats(0, 1, exclude_max=True))
def test_a_delay_is_never_above_its_ceiling(attempt: int, chance: float) -> None:
    assert 0 <= retry.delay(POLICY, attempt, lambda: chance) <= min(2.0 ** min(attempt - 1, 60), POLICY.backoff_max_s)
