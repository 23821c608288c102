"""What is said of a crash: the order for it, what was noted, and what is left."""

from __future__ import annotations

from dataclasses import dataclass

from prreview_cli.core.job import State
from prreview_cli.trials.simulators.github_state import Hosted, Pull


@dataclass(frozen=True, slots=True)
class Order:
    """Kill `victim` at this side of this verb; see driver.py."""

    verb: str
    side: str
    victim: str = "own"
    about: str | None = None
    when: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A call that the driver noted, once it had returned. `at` is monotonic."""

    at: float
    verb: str
    job: str


@dataclass(frozen=True, slots=True)
class Row:
    """A job as the database has it."""

    id: str
    head: str
    run: int
    state: State


@dataclass(frozen=True, slots=True)
class End:
    """What is left of a pull request: its jobs' states by head (the first is 0) and run, and the reviews that stand
    on the host in their order, each with its head and whether it is marked outdated."""

    jobs: dict[tuple[int, int], State]
    reviews: list[tuple[int, bool]]


@dataclass(slots=True)
class Subject:
    """One pull request, and the heads it has had."""

    hosted: Hosted
    pull: Pull
    heads: list[str]
