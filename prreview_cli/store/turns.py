"""Who goes next where priorities differ: the highest, but not for ever.

A claim *overtakes* when it leaves a ready job of a lower priority behind. Of the claims that overtake in a row
every fourth goes one priority down, of those every fourth one more, and so on: no flood of urgent jobs, whoever
made it, takes more than three quarters of the claims from what is below it.
"""

from __future__ import annotations

EVERY = 4


def levels_down(overtaken: int) -> int:
    """How many priorities below the highest the next claim goes, after so many in a row that overtook."""
    nth, down = overtaken + 1, 0
    while nth % EVERY == 0:
        nth, down = nth // EVERY, down + 1
    return down
