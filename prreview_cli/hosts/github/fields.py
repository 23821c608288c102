"""What a field of GitHub's JSON may look like. Each function returns the value, or raises ValueError.

Whatever passes may stand in a path of ours, in a git argument list or in a log line.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PART = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9_.-]{1,100}"
_FULL_NAME = re.compile(f"{_PART}/{_PART}")
_LOGIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}(?:\[bot\])?")
_WORD = re.compile(r"[a-z_]{1,64}")
_STATE = re.compile("open|closed")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})")

LARGEST_ID = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

GHOST = "ghost"
"""Whose a deleted account's work is, on GitHub."""


def sha(value: object) -> str:
    """A commit's full object name, SHA-1 or SHA-256, in lower case."""
    return _matching(_SHA, value, "a commit id")


def full_name(value: object) -> str:
    """OWNER/NAME."""
    return _matching(_FULL_NAME, value, "a repository's full name")


def login(value: object) -> str:
    """An account's login; a bot's ends in "[bot]"."""
    return _matching(_LOGIN, value, "a login")


def word(value: object) -> str:
    """An action or an event name."""
    return _matching(_WORD, value, "a name")


def identifier(value: object) -> int:
    """A positive numeric id or number."""
    if type(value) is not int or not 0 < value <= LARGEST_ID:
        raise ValueError("That is no positive number below 2^53.")
    return value


def is_open(value: object) -> bool:
    """Whether a pull request's state is open; a merged one is closed too."""
    return _matching(_STATE, value, "the state of a pull request") == "open"


def flag(value: object) -> bool:
    """True or false; null, as where a field is missing, is false."""
    if value is not None and not isinstance(value, bool):
        raise ValueError("That is neither true nor false.")
    return value is True


def line(value: object, longest: int) -> str:
    """One line of printable text, such as a branch's or a label's name."""
    if not isinstance(value, str) or len(value) > longest or not value.isprintable():
        raise ValueError(f"That is no printable text of up to {longest} characters.")
    return value


def instant(value: object) -> datetime:
    """An RFC 3339 time, in UTC."""
    try:
        return datetime.fromisoformat(_matching(_INSTANT, value, "an RFC 3339 time")).astimezone(UTC)
    except OverflowError:
        raise ValueError("That time is outside the calendar.") from None


def http_date(value: str) -> datetime:
    """The time in an HTTP header."""
    try:
        at = parsedate_to_datetime(value)
    except OverflowError:
        raise ValueError("That time is outside the calendar.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _matching(pattern: re.Pattern[str], value: object, what: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ValueError(f"That is not {what}.")
    return value
