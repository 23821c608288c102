"""Turns to write: how far apart, how many, and what a clock that is set back does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from prreview_cli.core.pace import Pace, Taken, next_turn
from prreview_cli.core.profile import Host
from prreview_cli.hosts.github.pacing import pace_of

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def test_the_first_turn_is_now_and_the_next_ones_are_apart() -> None:
    pace, taken, turns = Pace(2.0, 10, 60.0), Taken(), []
    for _ in range(3):
        turn, taken = next_turn(taken, pace, 30, NOW)
        turns.append(turn - NOW)
    assert turns == [seconds(0), seconds(2), seconds(4)]


def test_a_spent_budget_is_refilled_one_by_one() -> None:
    pace, taken, now, turns = Pace(1.0, 3, 60.0), Taken(), NOW, []
    for _ in range(5):
        turn, taken = next_turn(taken, pace, 100, now)
        turns.append(turn - NOW)
        now = turn
    assert turns == [seconds(0), seconds(1), seconds(2), seconds(60), seconds(120)]


def test_a_turn_that_is_too_late_is_named_and_not_taken() -> None:
    pace = Pace(20.0, 100, 0.1)
    _, taken = next_turn(Taken(), pace, 30, NOW)
    _, taken = next_turn(taken, pace, 30, NOW)
    assert next_turn(taken, pace, 30, NOW) == (NOW + seconds(40), taken)


def test_a_clock_that_was_set_back_makes_nobody_wait() -> None:
    pace, taken = Pace(1.0, 3, 60.0), Taken()
    for _ in range(3):
        _, taken = next_turn(taken, pace, 30, NOW)
    assert next_turn(taken, pace, 30, NOW - timedelta(hours=1))[0] == NOW - timedelta(hours=1)


@given(gaps=st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 30.0, 600.0]), min_size=60, max_size=700))
def test_what_github_publishes_is_never_exceeded(gaps: list[float]) -> None:
    taken, now, turns = Taken(), NOW, []
    for gap in gaps:
        now += seconds(gap)
        turn, taken = next_turn(taken, pace_of(Host().writes_apart_s), 3600, now)
        turns.append(turn)
        now = max(now, turn)
    assert all(later - earlier >= seconds(1) for earlier, later in pairwise(turns))
    assert all(later - earlier > seconds(60) for earlier, later in zip(turns, turns[80:], strict=False))
    assert all(later - earlier > seconds(3600) for earlier, later in zip(turns, turns[500:], strict=False))
