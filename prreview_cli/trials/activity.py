"""Which reviews were under way when, put together from what the simulators saw.

A review is in flight from the moment its worker reads the pull request until its post, or until the
last sign of life where an attempt ended without one. Each reading begins a new stretch: whether it
opens an attempt or comes right before a post is not told, and a stretch that ends at its last sign
of life is right for both. So no attempt is counted while it waits for its next try, and what the
server says of itself is not asked.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from prreview_cli.trials.simulators.moments import Moment, What


@dataclass(slots=True)
class Stretch:
    """A review under way from `start` to `last` (monotonic seconds); `open` while it may go on."""

    start: float
    last: float
    open: bool = True


class Activity:
    """Collects moments from any thread; everything else is asked in one thread."""

    def __init__(self) -> None:
        self._arrived: deque[Moment] = deque()
        self._stretches: list[Stretch] = []
        self._current: dict[str, Stretch] = {}
        self._posted: list[float] = []

    def observe(self, moment: Moment) -> None:
        """Take note; for the simulators."""
        self._arrived.append(moment)

    def in_flight_now(self) -> int:
        """How many reviews are under way, as far as can be known while it lasts."""
        self._catch_up()
        return sum(stretch.open for stretch in self._current.values())

    def begun_now(self) -> int:
        """How many reviews were begun so far, each counted once however often it was tried."""
        self._catch_up()
        return len(self._current)

    def posted_now(self) -> int:
        """How many reviews were posted so far."""
        self._catch_up()
        return len(self._posted)

    def course(self, times: Iterable[float]) -> list[tuple[int, int]]:
        """How many reviews were in flight, and how many had been posted, at each of these times: known afterwards."""
        self._catch_up()
        starts = sorted(stretch.start for stretch in self._stretches)
        ends = sorted(stretch.last for stretch in self._stretches)
        return [(bisect_right(starts, at) - bisect_left(ends, at), bisect_right(self._posted, at)) for at in times]

    def peak(self) -> int:
        """The most that were ever under way at once."""
        self._catch_up()
        starts, ends = ([(stretch.start, 1) for stretch in self._stretches], [(stretch.last, -1) for stretch in self._stretches])
        count = most = 0
        # At the same instant an end comes before a start: one review that makes room for the next is not two.
        for _, step in sorted(starts + ends):
            count += step
            most = max(most, count)
        return most

    @property
    def last_post(self) -> float | None:
        """When the last review was posted."""
        self._catch_up()
        return self._posted[-1] if self._posted else None

    def _catch_up(self) -> None:
        while self._arrived:
            self._take(self._arrived.popleft())

    def _take(self, moment: Moment) -> None:
        current = self._current.get(moment.review)
        if moment.what is What.PULL_READ:
            if current is not None:
                current.open = False
            current = self._current[moment.review] = Stretch(moment.at, moment.at)
            self._stretches.append(current)
        elif current is not None and current.open:
            current.last = moment.at
            current.open = moment.what is not What.POSTED
        if moment.what is What.POSTED:
            self._posted.append(moment.at)
