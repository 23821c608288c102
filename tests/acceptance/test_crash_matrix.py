"""A crash at any step of a job's life leaves what there is without one. The cases come from the tables; see support/crash/."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from prreview_cli.core.job import TRANSITIONS
from prreview_cli.core.steps import COURSE, PERFORMED_BY
from support.crash import plays
from support.crash.lane import Lane, new_lane
from support.crash.matrix import ENDS, STEPS, WITH_INTERVAL, Case, essential, shots, whole
from support.crash.words import End, Note, Order

LONGER_THAN_A_PLAY_S = 600.0


def test_every_transition_is_crashed_where_the_table_says_it_is_performed() -> None:
    assert set(STEPS) == set(TRANSITIONS)
    for transition, taken in STEPS.items():
        assert {shot.verb for shot in taken} <= set(PERFORMED_BY[transition])


def test_every_verb_that_performs_a_step_or_has_an_effect_is_crashed() -> None:
    performing = {verb for verbs in PERFORMED_BY.values() for verb in verbs}
    assert performing | set(COURSE) == {shot.verb for shot in shots()}


async def test_a_crash_at_any_step_leaves_what_there_is_without_one(tmp_path: Path) -> None:
    assert await played(tmp_path, essential()) == []


@pytest.mark.soak
async def test_a_crash_of_anybody_at_any_step_leaves_what_there_is_without_one(tmp_path: Path) -> None:
    assert await played(tmp_path, whole()) == []


@pytest.mark.soak
async def test_a_crash_of_the_real_agents_worker_leaves_what_there_is_without_one(tmp_path: Path) -> None:
    orders = [Order("spend.reserve", "after", "both"), Order("agent.look", "after", "worker"), Order("host.publish", "after", "server")]
    async with new_lane(tmp_path / "claude", len(orders), agent="claude") as lane:
        assert [wrong for order in orders for wrong in await judged(lane, Case(plays.reviewed, (order,)))] == []


async def played(folder: Path, cases: Sequence[Case]) -> list[str]:
    """What is wrong after any of these cases, played in three lanes at once; each play is first played without a crash."""
    main = [case for case in cases if case.play is plays.reviewed]
    slow = [case for case in cases if case.play in WITH_INTERVAL]
    rest = [case for case in cases if case not in main and case not in slow]
    lanes = [("main", main, 0.0), ("rest", rest, 0.0), ("slow", slow, LONGER_THAN_A_PLAY_S)]
    found = await asyncio.gather(*(_one_after_another(folder / name, some, interval) for name, some, interval in lanes))
    return [wrong for lane in found for wrong in lane]


async def _one_after_another(folder: Path, cases: Sequence[Case], interval_s: float) -> list[str]:
    without = [Case(play) for play in dict.fromkeys(case.play for case in cases)]
    wrong: list[str] = []
    async with new_lane(folder, len(cases) + len(without), interval_s=interval_s) as lane:
        for case in [*without, *cases]:
            wrong += await judged(lane, case)
    return wrong


async def judged(lane: Lane, case: Case) -> list[str]:
    """Play it; what is wrong afterwards."""
    asked, reserved = len(lane.stage.model.requests), lane.reservations()
    lane.orders, began = list(case.orders), lane.stage.clock.monotonic()
    try:
        subjects = await case.play(lane)
    except Exception as error:
        error.add_note(f"In {case.name}; {lane.rows_of_all()}; {lane.living()}; what the processes said:\n{lane.said()[-2000:]}")
        raise
    wrong = []
    expected = [End({(head, 0): state for head, state in jobs.items()}, reviews) for jobs, reviews in ENDS[case.play]]
    if (ends := [lane.end(subject) for subject in subjects]) != expected:
        wrong.append(f"{case.name}: ended as {ends}")
    requests = lane.stage.model.requests[asked:]
    deaths = len(case.orders)
    if not len(requests) <= (reservations := lane.reservations() - reserved) <= len(requests) + deaths:
        wrong.append(f"{case.name}: {len(requests)} model requests, {reservations} reservations")
    if paid := paid_again(lane.trace(), [request.at for request in requests]):
        wrong.append(f"{case.name}: {paid} model requests after the review was stored")
    if (left := lane.open_attempts()) != 0:
        wrong.append(f"{case.name}: {left} attempts never ended")
    sys.stdout.write("\n".join([f"{lane.stage.clock.monotonic() - began:5.1f} s  {case.name}", *wrong, ""]))
    return wrong


def paid_again(trace: Sequence[Note], requests: Sequence[float]) -> int:
    """How many of the model requests (their times) were for a job whose review was stored: one runs at a time, the last that began."""
    stored = {note.job: note.at for note in reversed(trace) if note.verb == "reviews.store"}
    began = [note for note in trace if note.verb == "jobs.begin"]
    count = 0
    for at in requests:
        of = [note.job for note in began if note.at <= at]
        count += bool(of) and stored.get(of[-1], at) < at
    return count
