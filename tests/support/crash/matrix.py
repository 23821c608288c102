"""The crash matrix: from the tables of `core/job.py` and `core/steps.py` to the cases that are played."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from prreview_cli.core.job import TRANSITIONS, State, Step
from prreview_cli.core.steps import COURSE
from support.crash import plays
from support.crash.plays import Play
from support.crash.words import Order

SIDES = ("before", "after")
SERVER = ("jobs.accept",)
BY_HAND = ("jobs.request", "jobs.cancel", "jobs.retry", "jobs.take")
READS = frozenset(
    {"host.pull_request", "host.our_reviews", "host.merge_base", "jobs.get", "spend.of_job", "switches.paused", "jobs.standing"}
)
"""They change nothing and nobody sees them: what is before and after each is the same as at its neighbour's."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A verb as it is called in a play; the order's side and victim are still to be chosen.

    `first` is obeyed before it: a step that only follows a crash needs one.
    """

    play: Play
    verb: str
    about: str | None = None
    when: str | None = None
    first: Order | None = None


BIRTHS = (Shot(plays.reviewed, "jobs.accept", "Review"), Shot(plays.enqueued_by_hand, "jobs.request"))
"""A job is made by a step that starts from no state."""

STEPS: dict[tuple[State, Step], tuple[Shot, ...]] = {
    (State.SCHEDULED, Step.RIPEN): (Shot(plays.failed_once, "jobs.claim", when="ripe"),),
    (State.QUEUED, Step.CLAIM): (Shot(plays.reviewed, "jobs.claim", when="due"), Shot(plays.reviewed_at_once, "jobs.take")),
    (State.RUNNING, Step.REVIEWED): (Shot(plays.reviewed, "reviews.store"),),
    (State.RUNNING, Step.POST): (Shot(plays.reviewed, "jobs.settle", "Posted"),),
    (State.RUNNING, Step.RETRY): (Shot(plays.failed_once, "jobs.settle", "Retry"),),
    (State.RUNNING, Step.DEFER): (Shot(plays.host_behind, "jobs.settle", "Superseded"),),
    (State.RUNNING, Step.HAND_BACK): (Shot(plays.key_revoked, "jobs.settle", "HandBack"),),
    (State.RUNNING, Step.SKIP): (
        Shot(plays.closed_unheard, "jobs.settle", "Skipped"),
        Shot(plays.reviewed_at_once, "jobs.rescue", when="running", first=Order("jobs.begin", "after")),
    ),
    (State.RUNNING, Step.SUPERSEDE): (Shot(plays.pushed_unheard, "jobs.settle", "Superseded"),),
    (State.RUNNING, Step.DIE): (Shot(plays.refused, "jobs.settle", "Dead"),),
    (State.RUNNING, Step.RESCUE): (Shot(plays.reviewed, "jobs.rescue", when="running", first=Order("jobs.begin", "after", "worker")),),
    (State.QUEUED, Step.SKIP): (Shot(plays.closed_while_queued, "jobs.accept", "Cancel"), Shot(plays.cancelled_by_hand, "jobs.cancel")),
    (State.SCHEDULED, Step.SKIP): (Shot(plays.closed_while_scheduled, "jobs.accept", "Cancel"),),
    (State.QUEUED, Step.SUPERSEDE): (Shot(plays.pushed_while_queued, "jobs.accept", "Review"),),
    (State.SCHEDULED, Step.SUPERSEDE): (Shot(plays.pushed_while_scheduled, "jobs.accept", "Review"),),
    (State.QUEUED, Step.DIE): (Shot(plays.repository_gone, "jobs.settle", "Dead"),),
    (State.SCHEDULED, Step.DIE): (Shot(plays.repository_gone, "jobs.settle", "Dead"),),
    (State.SKIPPED, Step.REVIVE): (Shot(plays.reopened, "jobs.accept", "Review"), Shot(plays.retried_by_hand, "jobs.retry")),
    (State.SUPERSEDED, Step.REVIVE): (Shot(plays.pushed_away_and_back, "jobs.accept", "Review"),),
    (State.DEAD, Step.REVIVE): (Shot(plays.dead_and_asked_again, "jobs.accept", "Review"),),
    (State.QUEUED, Step.POSTPONE): (Shot(plays.dead_and_asked_again, "jobs.accept", "Review"),),
}
"""The play in which each transition happens, and the verb that performs it there."""

AT_ONCE = (
    Shot(plays.reviewed_at_once, "reviews.store"),
    Shot(plays.reviewed_at_once, "host.publish"),
    Shot(plays.delivered_meanwhile, "reviews.store"),
)
"""What `review` does as a worker does, in a process that nobody starts again."""

WITH_INTERVAL: frozenset[Play] = frozenset(
    {plays.closed_while_scheduled, plays.pushed_while_scheduled, plays.dead_and_asked_again, plays.repository_gone}
)
"""Plays whose stage has an interval between two reviews: that is what makes a job wait for a time."""

P, S, U, D = State.POSTED, State.SKIPPED, State.SUPERSEDED, State.DEAD
ENDS: dict[Play, list[tuple[dict[int, State], list[tuple[int, bool]]]]] = {
    plays.reviewed: [({0: P}, [(0, False)])],
    plays.reviewed_again: [({0: P, 1: P}, [(0, True), (1, False)])],
    plays.failed_once: [({0: P}, [(0, False)])],
    plays.host_behind: [({1: P}, [(1, False)])],
    plays.key_revoked: [({0: P}, [(0, False)])],
    plays.closed_unheard: [({0: S}, [])],
    plays.pushed_unheard: [({0: U, 1: P}, [(1, False)])],
    plays.refused: [({0: D}, [])],
    plays.closed_while_queued: [({0: S}, [])],
    plays.pushed_while_queued: [({0: U, 1: P}, [(1, False)])],
    plays.pushed_away_and_back: [({0: P, 1: U}, [(0, False)])],
    plays.reopened: [({0: P}, [(0, False)])],
    plays.retried_by_hand: [({0: P}, [(0, False)])],
    plays.cancelled_by_hand: [({0: S}, [])],
    plays.enqueued_by_hand: [({0: P}, [(0, False)])],
    plays.reviewed_at_once: [({0: P}, [(0, False)])],
    plays.delivered_meanwhile: [({0: P}, [(0, False)])],
    plays.closed_while_scheduled: [({0: P, 1: S}, [(0, False)])],
    plays.pushed_while_scheduled: [({0: P, 1: U, 2: S}, [(0, False)])],
    plays.dead_and_asked_again: [({0: S}, [])],
    plays.repository_gone: [({0: D}, []), ({0: D}, []), ({0: P, 1: D}, [(0, False)])],
}
"""How each play ends, crash or none: the state of each head's job, and the reviews on the host (head, outdated)."""


@dataclass(frozen=True, slots=True)
class Case:
    """A play, and the orders that are obeyed in it; none: the play as it is without a crash."""

    play: Play
    orders: tuple[Order, ...] = ()

    @property
    def name(self) -> str:
        """For who reads a failure."""
        said = ", ".join(f"{order.victim} killed {order.side} {order.verb}" for order in self.orders)
        return f"{self.play.__name__}: {said or 'no crash'}"


def shots() -> list[Shot]:
    """Each step and each effect once, in the order of the tables."""
    effects = [Shot(plays.reviewed_again if verb == "host.mark_outdated" else plays.reviewed, verb) for verb in COURSE]
    of_steps = [shot for transition in TRANSITIONS for shot in STEPS.get(transition, ())]
    performed = {shot.verb for shot in of_steps}
    return list(dict.fromkeys([*BIRTHS, *of_steps, *(effect for effect in effects if effect.verb not in performed), *AT_ONCE]))


def essential() -> list[Case]:
    """Each step and each effect with a kill of the process that does it, on both sides; and of both processes around the post."""
    cases = [_case(shot, side, _own(shot)) for shot, side in product(shots(), SIDES) if shot.verb not in READS]
    around = [Shot(plays.reviewed, "reviews.store"), Shot(plays.reviewed, "host.publish")]
    return [*cases, *(_case(shot, "after", "both") for shot in around), _case(around[1], "before", "server")]


def whole() -> list[Case]:
    """Everything with everybody."""
    cases = []
    for shot, side in product(shots(), SIDES):
        victims = ("own",) if _by_hand(shot) else ("worker", "server", "both")
        cases += [_case(shot, side, victim) for victim in victims]
    return cases


def _by_hand(shot: Shot) -> bool:
    """Whether a command does it, and no server or worker."""
    return shot.verb in BY_HAND or shot in AT_ONCE


def _own(shot: Shot) -> str:
    if _by_hand(shot):
        return "own"
    return "server" if shot.verb in SERVER else "worker"


def _case(shot: Shot, side: str, victim: str) -> Case:
    order = Order(shot.verb, side, victim, shot.about, shot.when)
    return Case(shot.play, (order,) if shot.first is None else (replace(shot.first), order))
