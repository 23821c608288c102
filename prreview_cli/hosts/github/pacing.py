"""How fast we write to GitHub: its secondary limits, with room for what else writes under the same account.

Published (docs.github.com, "Rate limits for the REST API" and "Best practices for using the REST API"): at least a
second between requests that write, at most 80 such a minute and 500 an hour.
"""

from __future__ import annotations

from prreview_cli.core.pace import Pace

_LIMITED_FROM_S = 1.0
_BURST, _REFILL_S = 50, 9.0
_ENDLESS = 1_000_000


def pace_of(apart_s: float) -> Pace:
    """The pace that `host.writes_apart_s` asks for.

    At most 50 writes at that distance after a rest, then one each 9 s: 450 in any hour. Whoever writes more often than each
    second has a server without those limits (GitHub Enterprise Server as it is installed), which has no such budget either.
    """
    return Pace(apart_s, _BURST, _REFILL_S) if apart_s >= _LIMITED_FROM_S else Pace(apart_s, _ENDLESS, apart_s)
