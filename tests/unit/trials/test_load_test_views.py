from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from prreview_cli.cli.charts import bar, blocks, evenly, sparkline
from prreview_cli.cli.live_view import Lines, picture
from prreview_cli.cli.verdict_view import print_result
from prreview_cli.trials.burst import Ack
from prreview_cli.trials.kills import Kill, Victim
from prreview_cli.trials.progress import Options, Progress
from prreview_cli.trials.verdict import Killing, Observed, Result, Sample, judge

DRAWN, TYPED = blocks("utf-8"), blocks("ascii")


def progress() -> Progress:
    acks = [Ack("octo/shop#1", 200, "queued", 4.2)] * 10
    samples = [Sample(0.1, 6, 4, 0), Sample(0.7, 2, 4, 4), Sample(1.4, 0, 1, 9)]
    return Progress(Options(), ("files",), "draining", acks, samples)


def shown(width: int, encoding: str = "utf-8") -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(picture(progress(), width, encoding))
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_live_view_shows_depth_in_flight_and_posted_within_its_width(width: int) -> None:
    lines = shown(width).splitlines()
    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    assert re.search(r"in flight\b.*│.* 1 of 4", text)
    assert re.search(r"posted\b.* 9 of 10", text)
    assert "max 4.2 ms" in text
    assert "files layer" in text


def test_where_blocks_cannot_be_shown_plain_characters_are_drawn() -> None:
    shown(80, "ascii").replace("·", "").replace("…", "").encode("ascii")


def test_a_bar_is_as_long_as_its_share_and_the_bound_is_marked_behind_it() -> None:
    assert bar(2, 8, 8, TYPED, mark=4) == "##..|..."
    assert bar(6, 8, 8, TYPED, mark=4) == "####|#.."
    assert bar(0, 8, 8, TYPED) == "........"
    assert bar(1, 1000, 8, TYPED) == "#......."
    assert bar(99, 8, 8, TYPED) == "########"


def test_a_sparkline_shows_the_most_of_each_share_and_never_hides_a_little() -> None:
    assert sparkline([0, 8, 1, 4], 4, DRAWN, 8) == " █▁▄"
    assert sparkline([0, 8, 1, 4], 2, DRAWN, 8) == "█▄"
    assert sparkline([], 4, DRAWN, 8) == ""


def test_a_course_is_spread_evenly_over_its_time() -> None:
    assert evenly([(0.0, 0), (1.0, 6), (9.0, 2), (10.0, 0)], 5) == [6, 6, 6, 6, 6]
    assert evenly([(0.0, 0), (2.5, 6), (5.0, 1), (10.0, 0)], 4) == [6, 6, 1, 1]
    assert evenly([(0.0, 3)], 3) == [3, 3, 3]


def test_plain_lines_say_each_phase_once_and_changes_at_a_calm_pace(capsys: pytest.CaptureFixture[str]) -> None:
    view, state = Lines(), Progress(Options(burst=3, workers=1))
    view(state)
    state.phase = "firing"
    for number in range(30):
        state.samples.append(Sample(number / 10, 3 - number // 10, 1, number // 10))
        view(state)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("3 webhooks at once · 1 worker · the real Claude CLI")
    assert lines.count("firing …") == 1
    assert [re.search(r"waiting (\d)", line)[1] for line in lines if "waiting" in line] == ["3", "2", "1"]  # type: ignore[index]


def rounds() -> Progress:
    state = Progress(Options(burst=4, rounds=20, victims=(Victim.WORKER, Victim.BOTH), seed=7), phase="in rounds", round=2)
    state.samples += [Sample(1.5, 0, 0, 4), Sample(3.0, 0, 0, 8)]
    state.kills += [Kill(1, Victim.WORKER, 0.25), Kill(2, Victim.WORKER, 0.5)]
    return state


@pytest.mark.parametrize("width", [60, 120])
def test_the_live_view_shows_the_progress_of_rounds(width: int) -> None:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(picture(rounds(), width, "utf-8"))
    assert max(map(len, out.getvalue().splitlines())) <= width
    text = " ".join(out.getvalue().split())
    assert "round 2 of 20, worker killed 2 times, both killed 0 times" in text
    assert "8 of 84" in text


def test_plain_lines_say_the_seed_and_each_kill_once(capsys: pytest.CaptureFixture[str]) -> None:
    view, state = Lines(), rounds()
    view(state)
    view(state)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("20 rounds, killing worker or both, seed 7 · 4 webhooks at once")
    assert [line for line in lines if "killed" in line] == [
        "   3.0 s  round 1 of 20: worker killed after 0.25 s; posted 8",
        "   3.0 s  round 2 of 20: worker killed after 0.50 s; posted 8",
    ]


def test_the_result_of_rounds_says_what_was_killed_and_how_to_draw_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    killing = Killing(burst=1, rounds=3, seed=7, kills={Victim.WORKER: 2, Victim.SERVER: 1, Victim.BOTH: 0})
    seen = Observed(1, ("octo/shop#1",), 1, (Ack("octo/shop#1", 200, "queued", 1.0),), ("octo/shop#1",), 1, 1, 0, (), 0, killing=killing)
    print_result(Result("scripted", seen, (Sample(0.0, 0, 0, 0), Sample(1.0, 0, 0, 1)), 0.9, judge(seen)))
    out = capsys.readouterr().out
    assert "rounds 3, drawn with --seed 7; killed: worker 2, server 1" in out
    assert re.search(r"^Paid once +kept +0 model calls after a stored review", out, re.MULTILINE)


def test_the_result_names_each_promise_with_its_figure_and_the_broken_ones_again(capsys: pytest.CaptureFixture[str]) -> None:
    seen = Observed(1, ("octo/shop#1",), 1, (Ack("octo/shop#1", 200, "queued", 1.0),), ("octo/shop#1",) * 2, 1, 1, 0, (), 0)
    print_result(Result("scripted", seen, (Sample(0.0, 0, 0, 0), Sample(1.0, 0, 0, 1)), 0.9, judge(seen)))
    out = capsys.readouterr().out
    assert re.search(r"^Once +broken +1 posted twice \(octo/shop#1 2 times\)", out, re.MULTILINE)
    assert re.search(r"^Bounded +kept +at most 1 of 1 reviews and 1 of 1 model calls at once", out, re.MULTILINE)
    assert out.rstrip().endswith("Broken: Once.")
    assert "\x1b" not in out
