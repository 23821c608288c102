from __future__ import annotations

from dataclasses import replace

import pytest

from prreview_cli.trials.burst import Ack, Acks, summary
from prreview_cli.trials.kills import Victim
from prreview_cli.trials.verdict import Killing, Observed, Result, Sample, judge

REVIEWS = ("octo/shop#1", "octo/shop#2")
KEPT = Observed(
    workers=2,
    reviews=REVIEWS,
    deliveries=4,
    acks=tuple(Ack(review, 200, "queued", 3.0) for review in REVIEWS * 2),
    posted=REVIEWS,
    peak_in_flight=2,
    peak_model_calls=2,
    refused=0,
    strayed=(),
    exit_code=0,
)


def broken(seen: Observed) -> list[str]:
    return [promise.name for promise in judge(seen) if not promise.kept]


def test_what_went_well_keeps_every_promise() -> None:
    assert broken(KEPT) == []


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"posted": REVIEWS[:1]}, ["Acknowledged is durable"]),
        ({"posted": (*REVIEWS, REVIEWS[0])}, ["Once"]),
        ({"peak_in_flight": 3}, ["Bounded"]),
        ({"peak_model_calls": 3}, ["Bounded"]),
        ({"refused": 1}, ["Anchored"]),
        ({"strayed": ("POST /repos/octo/shop/pulls/1/merge",)}, ["Within its routes"]),
        ({"exit_code": -9}, ["Drained"]),
        ({"acks": KEPT.acks[:3]}, ["Acknowledged in time"]),
        ({"acks": (*KEPT.acks[:3], Ack(REVIEWS[1], 0, "", 10_000.0))}, ["Acknowledged in time"]),
    ],
)
def test_each_promise_is_broken_by_what_was_seen_against_it_alone(change: dict[str, object], names: list[str]) -> None:
    assert broken(replace(KEPT, **change)) == names  # type: ignore[arg-type]


def test_a_review_whose_delivery_was_never_acknowledged_is_not_lost() -> None:
    seen = replace(KEPT, acks=(Ack(REVIEWS[0], 200, "queued", 1.0), Ack(REVIEWS[1], 503, "", 1.0)), deliveries=2, posted=REVIEWS[:1])
    assert seen.lost == 0
    assert broken(seen) == ["Acknowledged in time"]


def test_the_json_has_the_fields_of_the_specification_and_behind_them_those_of_the_rounds() -> None:
    seen = replace(KEPT, posted=(*REVIEWS, REVIEWS[0]))
    result = Result("scripted", seen, (Sample(0.0, 0, 0, 0), Sample(0.5, 1, 2, 0)), 1.25, judge(seen))
    assert result.to_json() == {
        "schema_version": 1,
        "burst": 2,
        "workers": 2,
        "agent": "scripted",
        "acks": {"count": 4, "p50_ms": 3.0, "p99_ms": 3.0, "max_ms": 3.0},
        "peak_in_flight": 2,
        "peak_model_calls": 2,
        "posted": 3,
        "duplicates": 1,
        "lost": 0,
        "drain_s": 1.25,
        "timeline": [{"t_s": 0.0, "queued": 0, "in_flight": 0, "posted": 0}, {"t_s": 0.5, "queued": 1, "in_flight": 2, "posted": 0}],
        "verdict": "broken",
        "broken": ["Once"],
        "rounds": 1,
        "seed": None,
        "kills": {"worker": 0, "server": 0, "both": 0},
    }


def test_in_rounds_the_json_has_one_burst_the_seed_and_what_was_killed() -> None:
    killing = Killing(burst=1, rounds=2, seed=7, kills={Victim.WORKER: 2})
    said = Result("scripted", replace(KEPT, killing=killing), (), 1.0, judge(KEPT)).to_json()
    assert (said["burst"], said["posted"], said["rounds"], said["seed"]) == (1, 2, 2, 7)
    assert said["kills"] == {"worker": 2, "server": 0, "both": 0}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"wrong_heads": 1}, "Right head"),
        ({"needless": 1}, "Paid once"),
        ({"orphaned": 1}, "Silent when killed"),
        ({"left_over": ("claude (7)",)}, "Nothing left over"),
    ],
)
def test_what_must_not_happen_around_a_kill_breaks_its_promise_alone(change: dict[str, object], name: str) -> None:
    killing = Killing(burst=2, rounds=1, seed=1, kills={Victim.BOTH: 1})
    assert broken(replace(KEPT, killing=killing)) == []
    assert broken(replace(KEPT, killing=replace(killing, **change))) == [name]  # type: ignore[arg-type]


def test_percentiles_are_taken_of_the_accepted_deliveries_alone() -> None:
    acks = [Ack("r", 200, "queued", float(ms)) for ms in range(1, 101)] + [Ack("r", 0, "", 10_000.0)]
    assert summary(acks) == Acks(100, 50.0, 99.0, 100.0)
    assert summary(acks[:1]) == Acks(1, 1.0, 1.0, 1.0)
    assert summary([]) == Acks(0, 0.0, 0.0, 0.0)
