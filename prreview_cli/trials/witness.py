"""What must not happen around a kill, put together from what the simulators saw.

A worker reads the pull request at the host before anything else, so each reading begins an attempt, and
an attempt that began before its worker was killed is a dead one: what it still asks of the model, it
asks as an orphan.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from prreview_cli.trials.simulators.moments import Moment, What

GRACE_S = 1.0
"""How long after its worker's end a request to the model may still arrive, in seconds."""


@dataclass(slots=True)
class Witness:
    """Takes moments from any thread, in the order of time; everything else is called in one thread."""

    needless: int = 0
    orphaned: int = 0
    _arrived: deque[Moment] = field(default_factory=deque)
    _begun: dict[str, float] = field(default_factory=dict)
    _stored: dict[str, float] = field(default_factory=dict)
    _killed: float = float("-inf")

    def observe(self, moment: Moment) -> None:
        """Take note; for the simulators."""
        self._arrived.append(moment)

    def killed(self, at: float) -> None:
        """The workers that lived until then (monotonic) were killed."""
        self.catch_up()
        self._killed = at

    def stored(self, reviews: Iterable[str], at: float) -> None:
        """These reviews were found finished in the database at that time: nobody has to ask the model for them again."""
        for review in reviews:
            self._stored.setdefault(review, at)

    def catch_up(self) -> None:
        """Judge what has arrived: `needless` counts the requests for reviews that were stored or posted already,
        `orphaned` those that came later than GRACE_S after their worker's end."""
        while self._arrived:
            self._take(self._arrived.popleft())

    def forget(self, reviews: Iterable[str]) -> None:
        """These are over for good; so that a long trial does not fill the memory."""
        for review in reviews:
            self._begun.pop(review, None)

    def _take(self, moment: Moment) -> None:
        match moment.what:
            case What.PULL_READ:
                self._begun[moment.review] = moment.at
            case What.POSTED:
                self._stored.setdefault(moment.review, moment.at)
            case What.MODEL_ASKED:
                self.needless += moment.at > self._stored.get(moment.review, moment.at)
                began = self._begun.get(moment.review, float("-inf"))
                self.orphaned += began <= self._killed < moment.at - GRACE_S
