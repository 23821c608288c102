"""When a service is taken for down, for how long, and what its outage excuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prreview_cli.core import errors
from prreview_cli.core.circuit import (
    DOWN,
    LIMITS,
    PATIENCE,
    THRESHOLD,
    Circuit,
    Down,
    Event,
    Limited,
    Mode,
    Service,
    Up,
    after,
    excused_until,
)
from prreview_cli.core.retry import RESPONSES, Policy, Response

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
POLICY = Policy(max_attempts=5, backoff_s=1.0, backoff_max_s=300.0)
CLOSED = Circuit(Service.MODEL)


def down(job: str = "j00000001", claim: int = 1, hint: datetime | None = None, chance: float = 0.5) -> Down:
    return Down("529.", (job, claim), POLICY, chance, hint)


def opened(*, failures: int = THRESHOLD, now: datetime = NOW) -> Circuit:
    circuit = CLOSED
    for claim in range(failures):
        circuit = after(replace(circuit, probe=("j00000001", claim) if circuit.since else None), down(claim=claim), now)
    return circuit


def test_only_what_is_tried_again_says_anything_of_a_service() -> None:
    assert all(RESPONSES[kind] is Response.AGAIN for kind in (*DOWN, *LIMITS))
    assert not set(DOWN) & set(LIMITS)


def test_a_circuit_opens_at_the_threshold_and_not_before() -> None:
    assert opened(failures=THRESHOLD - 1).mode(NOW) is Mode.CLOSED
    circuit = opened()
    assert (circuit.mode(NOW), circuit.since, circuit.shut_until(NOW)) == (Mode.OPEN, NOW, NOW + timedelta(seconds=3))
    assert circuit.mode(NOW + timedelta(seconds=3)) is Mode.HALF_OPEN


def test_an_answer_in_between_begins_the_count_anew() -> None:
    circuit = after(opened(failures=THRESHOLD - 1), Up(), NOW)
    assert after(circuit, down(), NOW).mode(NOW) is Mode.CLOSED


def test_each_failed_probe_doubles_the_rest_up_to_its_cap() -> None:
    rests = [(opened(failures=failures).until or NOW) - NOW for failures in range(THRESHOLD, 14)]
    assert [rest.total_seconds() for rest in rests] == [3, 6, 12, 24, 48, 96, 192, 225, 225, 225, 225]


@given(failures=st.integers(THRESHOLD, 1000), chance=st.floats(0, 1, exclude_max=True))
def test_a_rest_is_never_above_its_cap_nor_nothing(failures: int, chance: float) -> None:
    circuit = after(replace(CLOSED, failures=failures - 1), down(chance=chance), NOW)
    assert circuit.until is not None
    assert timedelta(seconds=2) <= circuit.until - NOW <= timedelta(seconds=POLICY.backoff_max_s, milliseconds=1)


def test_a_rest_is_never_shorter_than_the_hint() -> None:
    hint = NOW + timedelta(seconds=40, microseconds=1)
    circuit = after(opened(failures=THRESHOLD - 1), down(hint=hint), NOW)
    assert circuit.until is not None
    assert hint <= circuit.until <= hint + timedelta(milliseconds=1)


def test_what_began_before_it_opened_says_nothing_new() -> None:
    circuit = replace(opened(), probe=("j00000009", 4))
    later = NOW + timedelta(seconds=5)
    assert after(circuit, down("j00000009", 3), later) == circuit
    assert after(circuit, down("j00000008", 4), later) == circuit
    again = after(circuit, down("j00000009", 4), later)
    assert (again.failures, again.since, again.mode(later), again.probe) == (THRESHOLD + 1, NOW, Mode.OPEN, None)


@pytest.mark.parametrize("event", [Up(), Limited("429.", NOW + timedelta(seconds=60))])
def test_whoever_gets_an_answer_closes_it(event: Event) -> None:
    circuit = after(replace(opened(), probe=("j00000009", 4)), event, NOW)
    assert (circuit.since, circuit.failures, circuit.until, circuit.probe) == (None, 0, None, None)


def test_a_limit_bars_until_the_time_that_was_named_and_an_answer_does_not_lift_it() -> None:
    until = NOW + timedelta(seconds=60)
    circuit = after(CLOSED, Limited("429.", until), NOW)
    assert (circuit.mode(NOW), circuit.shut_until(NOW)) == (Mode.LIMITED, until)
    assert after(circuit, Up(), NOW) == circuit
    assert after(circuit, Limited("429.", NOW + timedelta(seconds=5)), NOW).limited_until == until
    assert circuit.mode(until) is Mode.CLOSED
    assert after(circuit, Up(), until) == CLOSED


@pytest.mark.parametrize("event", [down(), Limited("429.", NOW + timedelta(minutes=5))])
def test_a_clock_that_is_set_back_takes_the_meaning_from_every_time(event: Event) -> None:
    circuit, before = after(opened(failures=THRESHOLD - 1), event, NOW), NOW - timedelta(hours=5)
    assert circuit.shut_until(NOW - timedelta(seconds=30)) is not None, "it was read a little earlier"
    assert circuit.shut_until(before) is None
    assert circuit.mode(before) is (Mode.HALF_OPEN if circuit.since else Mode.CLOSED)
    assert after(circuit, Up(), before) == CLOSED
    known = excused_until(circuit, errors.ModelOverloaded("529."), POLICY, before)
    assert known in {None, before + timedelta(seconds=POLICY.backoff_s)}


def test_no_limit_is_believed_for_longer_than_a_day() -> None:
    assert after(CLOSED, Limited("429.", NOW + timedelta(days=400)), NOW).limited_until == NOW + PATIENCE


def test_an_outage_excuses_what_it_ends() -> None:
    failure = errors.ModelOverloaded("529.")
    assert excused_until(opened(failures=THRESHOLD - 1), failure, POLICY, NOW) is None
    assert excused_until(opened(), failure, POLICY, NOW) == NOW + timedelta(seconds=3)
    assert excused_until(opened(), failure, POLICY, NOW + timedelta(seconds=10)) == NOW + timedelta(seconds=11)


def test_it_excuses_neither_a_lost_post_nor_another_failure_nor_more_than_a_day() -> None:
    assert excused_until(opened(), errors.AmbiguousPost("Lost."), POLICY, NOW) is None
    assert excused_until(opened(), errors.AgentCrashed("Gone."), POLICY, NOW) is None
    assert excused_until(opened(), errors.ModelOverloaded("529."), POLICY, NOW + PATIENCE + timedelta(seconds=1)) is None


def test_each_mode_is_told_in_a_sentence() -> None:
    limited = after(Circuit(Service.HOST), Limited("429.", NOW + timedelta(seconds=60)), NOW)
    assert CLOSED.told(NOW) == ""
    assert limited.told(NOW) == "The code host asked to be left alone until 12:01:00 UTC: 429."
    assert opened().told(NOW) == "The model is down; it is not asked until 12:00:03 UTC: 529."
    assert "one job tries" in opened().told(NOW + timedelta(minutes=1))
