"""Which process of a server is killed when: drawn from a seed, so that a round that broke a promise can be drawn again."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Victim(StrEnum):
    """What a SIGKILL is for."""

    WORKER = "worker"  # the pool alone: the server starts another one
    SERVER = "server"  # the server alone: its pool drains by itself, beside the next server's
    BOTH = "both"  # at the same moment


@dataclass(frozen=True, slots=True)
class Plan:
    """A round to come. `moment` is the share of a burst's usual time after which the victim is killed."""

    round: int
    victim: Victim | None
    moment: float


@dataclass(frozen=True, slots=True)
class Kill:
    """What was done in a round; `after_s` seconds after its first delivery."""

    round: int
    victim: Victim
    after_s: float


def plans(rounds: int, victims: Sequence[Victim], seed: int) -> Iterator[Plan]:
    """The rounds that this seed stands for."""
    chance = random.Random(seed)  # noqa: S311 - to be repeatable, not secret
    for number in range(1, rounds + 1):
        yield Plan(number, chance.choice(victims) if victims else None, chance.random())
