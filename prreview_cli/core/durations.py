"""A histogram of durations, counted by upper bounds."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

REVIEW_BOUNDS_S = (5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0)
"""What the time of a review is counted by."""


@dataclass(slots=True)
class Durations:
    """`counts[i]` of the durations were at most `bounds[i]` seconds long and longer than the bound before; the
    last of `counts`, which has no bound, were longer than all."""

    bounds: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total_s: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def place(self, seconds: float) -> int:
        """The index in `counts` of such a duration."""
        return bisect_left(self.bounds, seconds)

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[self.place(seconds)] += 1
        self.total_s += seconds
