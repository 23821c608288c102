from __future__ import annotations

from prreview_cli.trials.kills import Victim, plans


def test_a_seed_stands_for_the_same_rounds_each_time_and_for_no_others() -> None:
    first = list(plans(50, tuple(Victim), 7))
    assert list(plans(50, tuple(Victim), 7)) == first
    assert list(plans(50, tuple(Victim), 8)) != first
    assert list(plans(10, tuple(Victim), 7)) == first[:10]
    assert {plan.victim for plan in first} == set(Victim)
    assert all(0 <= plan.moment < 1 for plan in first)
    assert [plan.round for plan in first] == list(range(1, 51))


def test_without_a_victim_nothing_is_killed() -> None:
    assert {plan.victim for plan in plans(5, (), 7)} == {None}
