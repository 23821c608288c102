"""How fast we write to GitHub: its secondary limits, with room for what else writes under the same account.

Published (docs.github.com, "Rate limits for the REST API" and "Best practices for using the REST API"): at least a
second between requests that write, at most 80 such a minute and 500 an hour.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from prreview_cli.core.pace import Pace

GITHUB = Pace(apart_s=1.2, burst=50, refill_s=9.0)
"""At most 50 a minute, and 450 in any hour: 50 at that distance after a rest, then one each 9 s."""

LOOPBACK = Pace(apart_s=0.02, burst=1_000_000, refill_s=0.02)
"""What listens on loopback is a simulated host, which has no such limits; the turns are taken all the same."""


def pace_of(api_url: str) -> Pace:
    """The pace for the host at this address."""
    parts = urlsplit(api_url)
    return LOOPBACK if parts.scheme == "http" and _is_loopback(parts.hostname or "") else GITHUB


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
