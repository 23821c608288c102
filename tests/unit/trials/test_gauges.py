from __future__ import annotations

from prreview_cli.core.durations import Durations
from prreview_cli.core.job import State
from prreview_cli.telemetry.metrics import Metrics, Sample
from prreview_cli.trials.gauges import Gauges, parse


def rendered(by_state: dict[State, int], *, paused: bool = False) -> str:
    return Metrics().render(Sample(by_state, 0.0, paused, 0.0, {}, 0, Durations((1.0,)))).decode()


def test_what_the_metrics_say_is_what_the_trial_reads() -> None:
    text = rendered({State.QUEUED: 5, State.SCHEDULED: 2, State.RUNNING: 4, State.POSTED: 9}, paused=True)
    assert parse(text) == Gauges(waiting=7, running=4, paused=True)


def test_posted_and_dead_jobs_are_nothing_to_wait_for() -> None:
    gauges = parse(rendered({State.POSTED: 9, State.DEAD: 1}))
    assert gauges is not None
    assert gauges.idle
    assert not gauges.paused


def test_without_the_depth_nothing_is_known() -> None:
    assert parse("prreview_paused 0.0\n") is None
