"""What the provider's answers mean, and what the agent's process is told instead of them. Pure.

The kinds of error are those of https://platform.claude.com/docs/en/api/errors; two of them do not
mean what their status says: an account without credit is a 400, a retired model a 404.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from prreview_cli.core import errors

_TOLD = 200
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")
_BY_STATUS: dict[int, type[errors.Failure]] = {
    401: errors.ModelKeyRejected,
    402: errors.CreditExhausted,
    403: errors.ModelForbidden,
    408: errors.ModelOverloaded,
    429: errors.ModelRateLimited,
}
_BY_KIND: dict[str, type[errors.Failure]] = {
    "authentication_error": errors.ModelKeyRejected,
    "permission_error": errors.ModelForbidden,
    "not_found_error": errors.ModelGone,
    "billing_error": errors.CreditExhausted,
    "rate_limit_error": errors.ModelRateLimited,
    "overloaded_error": errors.ModelOverloaded,
    "api_error": errors.ModelOverloaded,
    "timeout_error": errors.ModelOverloaded,
    "invalid_request_error": errors.ModelRefusedRequest,
    "request_too_large": errors.ModelRefusedRequest,
}
RETRIED = (errors.ModelRateLimited, errors.ModelOverloaded, errors.ModelUnreachable)
"""What may pass by itself within a minute."""


def meaning(status: int, body: bytes, retry_at: datetime | None, redact: Callable[[str], str]) -> errors.Failure:
    """The failure that an answer other than 200 means."""
    kind, text = _error_in(body)
    told = f"The model's provider answered {status}{_quoted(kind, text, redact)}"
    if "credit balance is too low" in text.lower():
        return errors.CreditExhausted(told)
    if status in _BY_STATUS:
        return _BY_STATUS[status](told, retry_at=retry_at)
    if status == 404 and kind == "not_found_error":
        return errors.ModelGone(told)
    if 400 <= status < 500 and kind:
        return errors.ModelRefusedRequest(told)
    if status >= 500:
        return errors.ModelOverloaded(told, retry_at=retry_at)
    return errors.ModelUnreachable(f"{told} That is no answer of the Messages API; is model.base_url right?")


def meaning_of_event(body: bytes, redact: Callable[[str], str]) -> errors.Failure:
    """The failure that an `error` event inside a stream means."""
    kind, text = _error_in(body)
    told = f"The model's provider broke off its answer{_quoted(kind, text, redact)}"
    if "credit balance is too low" in text.lower():
        return errors.CreditExhausted(told)
    return _BY_KIND.get(kind, errors.ModelUnreachable)(told)


def retry_at(header: str | None, now: datetime) -> datetime | None:
    """The instant that a `retry-after` header names, in seconds or as an HTTP date; None if it names none."""
    if header is None:
        return None
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", header.strip()):
        return now + timedelta(seconds=float(header))
    try:
        named = parsedate_to_datetime(header)
    except ValueError:
        return None
    return named if named.tzinfo is not None and now < named < now + timedelta(days=7) else None


def _error_in(body: bytes) -> tuple[str, str]:
    try:
        error = json.loads(body)["error"]
        return str(error["type"]), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", body[:2000].decode(errors="replace")


def _quoted(kind: str, text: str, redact: Callable[[str], str]) -> str:
    # Redacted before it is cut: a key cut in two would no longer be recognised.
    plain = _UNPRINTABLE.sub(" ", redact(f"{kind}: {text}" if kind else text)).strip()
    shown = plain if len(plain) <= _TOLD else plain[: _TOLD - 1] + "…"
    return f": {shown}" if shown else "."


def probe_body(model: str) -> bytes:
    """The cheapest request there is: one word in, one token out."""
    return json.dumps({"model": model, "max_tokens": 1, "stream": True, "messages": [{"role": "user", "content": "ping"}]}).encode()


# -- what the agent's process is told: constant texts, for the provider's own may echo the key ----------


def told_to_agent(failure: errors.Failure) -> tuple[int, bytes]:
    """Status and body for the agent's process, which disguises both; the grant keeps the failure itself."""
    return _TOLD_TO_AGENT.get(type(failure), 403), error_body("permission_error", f"prreview: {failure.kind}")


def error_body(kind: str, text: str) -> bytes:
    """An error in the form of the Messages API."""
    return json.dumps({"type": "error", "error": {"type": kind, "message": text}}).encode()


_TOLD_TO_AGENT: dict[type[errors.Failure], int] = {
    errors.ModelKeyRejected: 401,
    errors.ModelGone: 404,
    errors.ModelRefusedRequest: 400,
    errors.ModelRateLimited: 429,
    errors.ModelOverloaded: 529,
    errors.ModelUnreachable: 502,
    errors.Internal: 500,
}
