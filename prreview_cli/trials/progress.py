"""What a load test is asked to do, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from prreview_cli.trials.burst import Ack
from prreview_cli.trials.kills import Kill, Victim
from prreview_cli.trials.limits import OWN, Limits
from prreview_cli.trials.verdict import Sample


@dataclass(frozen=True, slots=True)
class Options:
    """What to fire: `burst` pull requests, each delivered `duplicates` times more, all at once or `rate` a second.

    In each of `rounds` one of the `victims` is killed, if there are any; `seed` draws which and when.
    """

    burst: int = 10
    workers: int = 4
    duplicates: int = 0
    rate: float | None = None
    agent: str = "claude"
    limits: Limits = OWN
    victims: tuple[Victim, ...] = ()
    rounds: int = 1
    seed: int = 0

    @property
    def bound(self) -> int:
        """How many reviews may be in flight at once: all are of one repository, which may have a cap of its own."""
        return min(self.workers, self.limits.per_repository or self.workers)

    @property
    def reviews(self) -> int:
        """How many reviews are asked for: of rounds, one burst more, which is left in peace and shows how long one takes."""
        return self.burst * (self.rounds + 1 if self.in_rounds else 1)

    @property
    def in_rounds(self) -> bool:
        """Whether it is more than one burst at a server that is left in peace."""
        return bool(self.victims) or self.rounds > 1


@dataclass(slots=True)
class Progress:
    """How far it is, for whoever watches; the same object each time. `missing` are the layers of the cell that
    this machine lacks. `acks`, `samples` and `kills` grow; `round` counts the rounds that were begun."""

    options: Options
    missing: tuple[str, ...] = ()
    phase: str = "setting up"
    acks: list[Ack] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    round: int = 0
    kills: list[Kill] = field(default_factory=list)
