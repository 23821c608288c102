"""The table of a job's life, walked at random: what holds for every path."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prreview_cli.core.job import AT_REST, ENDED_WITHOUT_REVIEW, TRANSITIONS, WAITING, State, Step, after

STEPS = st.lists(st.sampled_from(list(Step)), max_size=30)


def walk(steps: list[Step], start: State = State.QUEUED) -> list[tuple[State, Step, State]]:
    """The steps that were possible, with the states before and after."""
    state, path = start, []
    for step in steps:
        if (state, step) in TRANSITIONS:
            path.append((state, step, after(state, step)))
            state = path[-1][2]
    return path


def test_every_state_waits_runs_or_rests() -> None:
    assert set(State) == WAITING | {State.RUNNING} | AT_REST
    assert not WAITING & AT_REST
    assert AT_REST - {State.POSTED} == ENDED_WITHOUT_REVIEW


def test_every_step_has_a_place_and_every_state_can_be_reached() -> None:
    assert {step for _, step in TRANSITIONS} == set(Step)
    reached = {State.QUEUED}
    while more := {to for (before, _), to in TRANSITIONS.items() if before in reached} - reached:
        reached |= more
    assert reached == set(State)


def test_a_posted_job_never_moves_again() -> None:
    assert not [key for key in TRANSITIONS if key[0] is State.POSTED]


@pytest.mark.parametrize("state", [state for state in State if state is not State.POSTED])
def test_every_other_state_leads_on_to_a_post(state: State) -> None:
    reached, before = {state}, set()
    while reached != before:
        before = set(reached)
        reached |= {to for (origin, _), to in TRANSITIONS.items() if origin in reached}
    assert State.POSTED in reached


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(Step))
def test_what_is_not_in_the_table_cannot_happen(state: State, step: Step) -> None:
    if (state, step) in TRANSITIONS:
        assert after(state, step) is TRANSITIONS[state, step]
    else:
        with pytest.raises(ValueError, match=f"is {state} cannot {step}"):
            after(state, step)


@given(STEPS)
def test_only_a_claim_begins_a_hold_and_only_a_held_job_is_posted(steps: list[Step]) -> None:
    for before, step, state in walk(steps):
        assert (step is Step.CLAIM) == (state is State.RUNNING and before is not State.RUNNING)
        assert step is not Step.POST or before is State.RUNNING


@given(STEPS)
def test_between_two_claims_the_hold_has_ended(steps: list[Step]) -> None:
    holding = False
    for _, step, state in walk(steps):
        assert not (step is Step.CLAIM and holding)
        holding = state is State.RUNNING


@given(STEPS)
def test_a_job_at_rest_moves_only_by_being_revived(steps: list[Step]) -> None:
    for before, step, state in walk(steps):
        if before in AT_REST:
            assert (step, state) == (Step.REVIVE, State.QUEUED)


@given(STEPS)
def test_storing_the_review_is_a_milestone_and_no_move(steps: list[Step]) -> None:
    for before, step, state in walk(steps):
        assert step is not Step.REVIEWED or (before, state) == (State.RUNNING, State.RUNNING)


@given(st.sampled_from(sorted(WAITING)))
def test_whatever_waits_can_be_skipped_superseded_or_ended(state: State) -> None:
    ends = {after(state, step) for step in (Step.SKIP, Step.SUPERSEDE, Step.DIE)}
    assert ends == ENDED_WITHOUT_REVIEW
