"""What a simulator saw of one review, told at once to whoever judges the trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """What happened."""

    PULL_READ = "pull_read"  # the host was asked for the pull request: the first thing a worker does
    ASKED = "asked"  # any other request to the host about this pull request
    MODEL_ASKED = "model_asked"  # the model was asked
    ANSWERED = "answered"  # a request about it was answered
    POSTED = "posted"  # a review of it was stored by the host


@dataclass(frozen=True, slots=True)
class Moment:
    """`at` is monotonic, in seconds; `review` is OWNER/NAME#N."""

    at: float
    review: str
    what: What


Observer = Callable[[Moment], None]
"""Called in the simulator's thread; must be quick and safe to call from several threads."""


def unobserved(_moment: Moment) -> None:
    """Nobody looks."""
