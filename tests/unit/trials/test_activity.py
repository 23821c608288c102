from __future__ import annotations

from prreview_cli.trials.activity import Activity
from prreview_cli.trials.simulators.moments import Moment, What


def activity(*moments: tuple[float, str, What]) -> Activity:
    seen = Activity()
    for at, review, what in moments:
        seen.observe(Moment(at, review, what))
    return seen


def one_review(review: str, start: float, end: float) -> list[tuple[float, str, What]]:
    return [(start, review, What.PULL_READ), ((start + end) / 2, review, What.ASKED), (end, review, What.POSTED)]


def test_a_review_is_in_flight_from_the_reading_of_its_pull_request_to_its_post() -> None:
    seen = activity(*one_review("a#1", 1.0, 5.0))
    assert seen.course((0.9, 1.0, 3.0, 5.0, 5.1)) == [(0, 0), (1, 0), (1, 0), (1, 1), (0, 1)]
    assert (seen.in_flight_now(), seen.posted_now(), seen.last_post) == (0, 1, 5.0)


def test_the_peak_counts_reviews_that_overlap_and_not_those_that_follow() -> None:
    moments = [*one_review("a#1", 0.0, 2.0), *one_review("a#2", 1.0, 3.0), *one_review("a#3", 2.5, 4.0)]
    assert activity(*sorted(moments)).peak() == 2


def test_an_attempt_that_ended_without_a_post_counts_no_longer_than_its_last_sign_of_life() -> None:
    seen = activity(
        (0.0, "a#1", What.PULL_READ),
        (1.0, "a#1", What.ASKED),
        (2.0, "a#2", What.PULL_READ),
        (3.0, "a#2", What.POSTED),
        (4.0, "a#1", What.PULL_READ),
        (5.0, "a#1", What.POSTED),
    )
    assert seen.peak() == 1
    assert seen.course([1.5, 2.5]) == [(0, 0), (1, 0)]


def test_while_it_lasts_an_attempt_is_in_flight_though_it_is_silent() -> None:
    assert activity((0.0, "a#1", What.PULL_READ), (1.0, "a#1", What.ASKED)).in_flight_now() == 1


def test_what_is_asked_after_the_post_does_not_put_it_in_flight_again() -> None:
    seen = activity(*one_review("a#1", 0.0, 1.0), (2.0, "a#1", What.ASKED), (2.1, "a#1", What.ANSWERED))
    assert (seen.in_flight_now(), seen.course([2.05])) == (0, [(0, 1)])


def test_a_reading_right_before_the_post_is_the_same_review_and_not_a_second_one() -> None:
    seen = activity((0.0, "a#1", What.PULL_READ), (1.0, "a#1", What.ASKED), (1.1, "a#1", What.PULL_READ), (1.2, "a#1", What.POSTED))
    assert (seen.peak(), seen.in_flight_now(), seen.posted_now()) == (1, 0, 1)
