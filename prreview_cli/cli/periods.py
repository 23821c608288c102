"""How a person names when a period began: 24h, 7d, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from prreview_cli.core.errors import UsageError

_AGO = re.compile(r"([1-9][0-9]{0,4})([hd])")
_HOURS = {"h": 1, "d": 24}


def age(text: str) -> timedelta:
    """So many hours or days; UsageError if `text` names none."""
    found = _AGO.fullmatch(text)
    if found is None:
        raise UsageError("That is no age.", remedy="Write 24h or 7d.")
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


def began(text: str, now: datetime) -> datetime:
    """The beginning of the period that `text` names, before `now`: so many hours or days ago, or the first instant of a
    UTC day. UsageError if it names none."""
    if found := _AGO.fullmatch(text):
        return now - timedelta(hours=int(found[1]) * _HOURS[found[2]])
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError("That does not name when the period began.", remedy="Write 24h, 7d, 30d, or a date such as 2026-11-17.") from None
    if day >= now:
        raise UsageError(f"{text} has not begun yet.", remedy="Name an earlier day.")
    return day
