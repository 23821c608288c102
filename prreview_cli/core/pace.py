"""How fast writes may follow each other: a distance, and a budget. Pure; the store keeps what was taken.

The budget is a bucket of `burst` writes that fills by one each `refill_s`, so that no hour sees more than
`burst + 3600 / refill_s` of them, wherever it begins. Two instants say it all: when the last turn is, and when the
bucket will be full again (the generic cell rate algorithm of ITU-T I.371).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Pace:
    """At least `apart_s` between two writes; `burst` of them so, and one each `refill_s` in the long run. Seconds."""

    apart_s: float
    burst: int
    refill_s: float


@dataclass(frozen=True, slots=True)
class Taken:
    """The last turn that was given away, and when the budget is whole again. None: never, and now."""

    last: datetime | None = None
    whole: datetime | None = None


def next_turn(taken: Taken, pace: Pace, patience_s: float, now: datetime) -> tuple[datetime, Taken]:
    """The next free turn, and what is taken with it. One later than `patience_s` from now is not taken, only named."""
    budget_s = pace.burst * pace.refill_s
    # Further ahead than anyone ever waits: the clock was set back since.
    last = _believed(taken.last, now + timedelta(seconds=patience_s + pace.apart_s))
    whole = _believed(taken.whole, now + timedelta(seconds=patience_s + budget_s + pace.refill_s)) or now
    turn = max(now, whole - timedelta(seconds=budget_s - pace.refill_s))
    if last is not None:
        turn = max(turn, last + timedelta(seconds=pace.apart_s))
    if turn > now + timedelta(seconds=patience_s):
        return turn, taken
    return turn, Taken(turn, max(whole, turn) + timedelta(seconds=pace.refill_s))


def _believed(at: datetime | None, latest: datetime) -> datetime | None:
    return None if at is None or at > latest else at
