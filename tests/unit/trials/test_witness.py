from __future__ import annotations

from prreview_cli.trials.simulators.moments import Moment, What
from prreview_cli.trials.witness import GRACE_S, Witness

REVIEW = "octo/shop#1"


def seen(*moments: tuple[float, What], killed: float | None = None, stored: float | None = None) -> tuple[int, int]:
    """(needless, orphaned) after these moments, a kill and a look into the database in between."""
    witness = Witness()
    for at, what in moments:
        if killed is not None and at > killed:
            witness.killed(killed)
            killed = None
        if stored is not None and at > stored:
            witness.stored([REVIEW], stored)
            stored = None
        witness.observe(Moment(at, REVIEW, what))
    witness.catch_up()
    return witness.needless, witness.orphaned


def test_a_review_that_is_made_anew_after_its_worker_was_killed_is_as_it_should_be() -> None:
    moments = [(0.0, What.PULL_READ), (0.1, What.MODEL_ASKED), (5.0, What.PULL_READ), (5.1, What.MODEL_ASKED), (6.0, What.POSTED)]
    assert seen(*moments, killed=0.5) == (0, 0)


def test_a_dead_worker_that_still_asks_is_an_orphan_after_its_grace() -> None:
    begun = [(0.0, What.PULL_READ), (0.1, What.MODEL_ASKED)]
    assert seen(*begun, (0.5 + GRACE_S, What.MODEL_ASKED), killed=0.5) == (0, 0)
    assert seen(*begun, (0.6 + GRACE_S, What.MODEL_ASKED), killed=0.5) == (0, 1)


def test_whoever_asks_for_a_review_that_is_posted_or_stored_pays_twice() -> None:
    begun = [(0.0, What.PULL_READ), (0.1, What.MODEL_ASKED)]
    assert seen(*begun, (0.2, What.POSTED), (0.3, What.PULL_READ), (0.4, What.MODEL_ASKED)) == (1, 0)
    assert seen(*begun, (5.0, What.PULL_READ), (5.1, What.MODEL_ASKED), killed=0.5, stored=0.6) == (1, 0)
    assert seen(*begun, (5.0, What.PULL_READ), (5.1, What.POSTED), killed=0.5, stored=0.6) == (0, 0)
