"""Seeing that a lease is over, without trusting any clock but one's own monotonic one.

Nobody compares times of day: they jump, and a lease is not over because somebody set the clock. A holder
signs its hold anew at every renewal; whoever looks and finds the same sign again and again, for the whole
length of the lease by its own monotonic clock, knows that the holder was silent for that long. The holder
counts from before it signed, the observer from when it saw the sign: the holder always gives up first.
(Gray and Cheriton, "Leases", 1989: only the rate of clocks is relied on, never what they show.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prreview_cli.core.ports.clock import Clock

LOOKS = 3
"""A look counts for a third of the lease at most: what held the observer up may have held up the holder too
(a suspended machine, a frozen container), so silence is what many looks have seen, and not one late look."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What a holder wrote last: which hold it is, how often it was renewed, and for how many seconds it is good."""

    job: int | str
    claim: int
    renewals: int
    lease_s: float


class Observer:
    """One process's view of all leases. It begins anew with the process: a lease seen first is a fresh one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked = clock.monotonic()
        self._silent: dict[Sign, float] = {}

    def over(self, signs: Iterable[Sign]) -> frozenset[Sign]:
        """Look at all leases that are held now; those whose holder has been silent for as long as they are good."""
        now = self._clock.monotonic()
        passed, self._looked = now - self._looked, now
        seen = self._silent
        self._silent = {sign: seen[sign] + min(passed, sign.lease_s / LOOKS) if sign in seen else 0.0 for sign in signs}
        return frozenset(sign for sign, silent in self._silent.items() if silent >= sign.lease_s)
