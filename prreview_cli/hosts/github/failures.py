"""From an answer that is not the one we wanted to the class of error that it means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from prreview_cli.core import errors
from prreview_cli.hosts.github import answers, fields
from prreview_cli.hosts.github.client import Answer
from prreview_cli.hosts.github.requests import Request

SHOWN = 200
LEAST_WAIT = timedelta(seconds=60)
"""GitHub's advice where a rate limit comes without a hint."""
LONGEST_WAIT = timedelta(days=1)
"""No hint is believed beyond this; primary limits are by the hour."""


def failure(request: Request, answer: Answer, now: datetime, redact: Callable[[str], str]) -> errors.Failure:
    """What an answer outside 2xx means to a request about a repository.

    Writes that may have been stored all the same (5xx, 408) are the caller's to tell apart.
    """
    status, said = answer.status, reason(answer, redact)
    told = f"The code host answered {status} to {request.route.method} {request.target}{said}."
    if status == 401:
        return errors.HostTokenRejected(f"The code host does not accept the token (401){said}.")
    if is_rate_limit(answer):
        return errors.HostRateLimited(told, retry_at=wait_until(answer, now))
    if status == 403 and "installation has been suspended" in said.lower():
        return errors.AppSuspended(told)
    if status in {403, 404, 410, 451}:
        return errors.RepositoryForbidden(told)
    if request.writes and 400 <= status < 500 and status != 408:
        return errors.PostRefused(told)
    return errors.HostUnreachable(told, retry_at=wait_until(answer, now) if "retry-after" in answer.headers else None)


def is_rate_limit(answer: Answer) -> bool:
    """429, or a 403 that GitHub marks as one of its limits: by its headers, or (secondary limits) in words alone; or a 422
    to a write that came too soon after others."""
    if answer.status == 429:
        return True
    if answer.status == 422:
        return answers.too_fast(answer.body)
    if answer.status != 403:
        return False
    marked = "retry-after" in answer.headers or answer.headers.get("x-ratelimit-remaining") == "0"
    return marked or "rate limit" in answers.complaint(answer.body).lower()


def wait_until(answer: Answer, now: datetime) -> datetime:
    """When the host will hear us again: `retry-after`, else `x-ratelimit-reset`, else a minute from now.

    A time of day is the host's: by its own `Date` it is told how far ahead that is, whatever our clock says.
    """
    ahead = now - (_date(answer.headers.get("date")) or now)
    hint = _after(answer.headers.get("retry-after"), now, ahead)
    if hint is None and answer.headers.get("x-ratelimit-remaining") == "0":
        hint = _epoch(answer.headers.get("x-ratelimit-reset"), ahead)
    return now + LEAST_WAIT if hint is None else min(max(hint, now), now + LONGEST_WAIT)


def reason(answer: Answer, redact: Callable[[str], str]) -> str:
    """What the host said, as the end of a sentence; redacted before it is cut, or the cut would hide a secret's rest from redaction."""
    said = redact(answers.complaint(answer.body))
    return f": {said[:SHOWN].rstrip('. ')}" if said else ""


def _after(text: str | None, now: datetime, ahead: timedelta) -> datetime | None:
    if text is not None and text.isascii() and text.isdigit():
        return now + timedelta(seconds=min(int(text[:9]), LONGEST_WAIT.total_seconds()))
    at = _date(text)
    return None if at is None else _shifted(at, ahead)


def _epoch(text: str | None, ahead: timedelta) -> datetime | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return _shifted(datetime.fromtimestamp(min(int(text[:11]), 253_370_764_800), UTC), ahead)


def _date(text: str | None) -> datetime | None:
    try:
        return None if text is None else fields.http_date(text)
    except ValueError:
        return None


def _shifted(at: datetime, by: timedelta) -> datetime | None:
    try:
        return at + by
    except OverflowError:  # no hint: one of the two times is far outside any that is meant
        return None
