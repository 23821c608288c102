"""What each value of a profile must be, beyond its type: one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from prreview_cli.core.profile import ENVIRONMENT_PATTERN
from prreview_cli.core.review import Severity
from prreview_cli.settings.problems import shown

Rule = Callable[[Any], str | None]
"""Returns what is wrong with a value, as the rest of a sentence that begins with its key; None if nothing."""

SQLITE_PREFIX = "sqlite:///"
ACTIONS = ("opened", "synchronize", "reopened", "ready_for_review", "edited", "labeled", "review_requested")
AUTHORS = ("OWNER", "MEMBER", "COLLABORATOR", "CONTRIBUTOR", "FIRST_TIME_CONTRIBUTOR", "FIRST_TIMER", "NONE", "MANNEQUIN")
LOG_LEVELS = ("debug", "info", "warning", "error")
PERMISSIONS = {"pull_requests": ("read", "write"), "contents": ("read",), "metadata": ("read",)}
"""What a reviewer's token may be declared to do, and no wider; every token of GitHub's has metadata: read."""


def between(low: float, high: float) -> Rule:
    """From `low` to `high`, both included."""
    return lambda value: None if low <= value <= high else f"must be from {low:g} to {high:g}, not {value:g}."


def above_zero(value: float) -> str | None:
    """More than nothing."""
    return None if value > 0 else f"must be more than 0, not {value:g}."


def one_of(*allowed: str) -> Rule:
    """One of a few words."""
    return lambda value: None if value in allowed else f"must be {_either(allowed)}, not {shown(value)}."


def all_of(allowed: Collection[str]) -> Rule:
    """A list of such words."""

    def rule(values: tuple[str, ...]) -> str | None:
        wrong = [value for value in values if value not in allowed]
        return f"may hold {', '.join(allowed)}, and not {shown(wrong[0])}." if wrong else None

    return rule


def matching(pattern: re.Pattern[str], meaning: str) -> Rule:
    """A text of a certain form, told in words."""
    return lambda value: None if pattern.fullmatch(value) else f"must be {meaning}, not {shown(value)}."


def plain_items(values: tuple[str, ...]) -> str | None:
    """A list of texts that are not empty and hold no control characters."""
    return next((f"holds {shown(value)}; leave it out." for value in values if not value or not value.isprintable()), None)


def is_loopback(host: str) -> bool:
    """Whether a host name or address never leaves this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def url(value: str) -> str | None:
    """https, or http to this machine alone; no credentials, query or fragment. The value is never repeated."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL."
    if not host or parts.scheme not in {"http", "https"} or not value.isascii() or not value.isprintable() or " " in value:
        return "must be a URL that begins with https:// and names a host."
    if "@" in parts.netloc:
        return "must not carry credentials; refer to them in [secrets]."
    if "?" in value or "#" in value:
        return "must not carry a query or a fragment."
    if parts.scheme == "http" and not is_loopback(host):
        return "must begin with https://: http is for this machine (127.0.0.1, ::1, localhost) alone."
    return None


def base_url(value: str) -> str | None:
    """A URL to which paths are added."""
    return url(value) or ("must not end in a slash." if value.endswith("/") else None)


def queue_url(value: str) -> str | None:
    """An absolute sqlite URL."""
    path = value.removeprefix(SQLITE_PREFIX)
    if path == value or not path.startswith("/"):
        return "must be sqlite:////absolute/path.db, with four slashes; a relative path would depend on where prreview is started."
    return _absolute(path)


def absolute_path(value: Path) -> str | None:
    """An absolute path without detours."""
    return _absolute(str(value))


def _absolute(path: str) -> str | None:
    pure = PurePosixPath(path)
    if not path.isprintable() or not pure.is_absolute() or ".." in pure.parts or len(pure.parts) < 2:
        return "must be an absolute path without `..`."
    return None


def inside_repository(value: str) -> str | None:
    """A relative path that stays in the repository."""
    path = PurePosixPath(value)
    good = path.parts and not path.is_absolute() and ".." not in path.parts and ".git" not in path.parts and value.isprintable()
    return None if good else "must be the path of a file in the repository, such as .prreview.md."


def repositories(values: tuple[str, ...]) -> str | None:
    """Globs over OWNER/NAME."""
    for value in values:
        if value != "*" and not re.fullmatch(r"[A-Za-z0-9._*?\[\]!-]+/[A-Za-z0-9._*?\[\]!-]+", value):
            return f"holds {shown(value)}, which matches no OWNER/NAME. Write globs such as octo/*."
    return None


def permissions(values: dict[str, str]) -> str | None:
    """What the token may do: enough to review, and no more."""
    for name, value in values.items():
        if name not in PERMISSIONS or value not in PERMISSIONS[name]:
            return f"grants {shown(name)} = {shown(value)}, and a reviewer needs no more than pull_requests = write and contents = read."
    missing = {"pull_requests", "contents"} - values.keys()
    return f"leaves out {min(missing)}, without which nothing can be read." if missing else None


def alert_command(values: tuple[str, ...]) -> str | None:
    """A program by its absolute path, with its arguments."""
    if values and not Path(values[0]).is_absolute():
        return "must begin with the absolute path of a program."
    return next((f"holds {shown(value)}." for value in values if not value.isprintable()), None)


def label(value: str) -> str | None:
    """A label's name; empty is none. GitHub allows 50 characters."""
    return None if value.isprintable() and len(value) <= 50 else "must be a label's name of at most 50 characters."


def _either(words: tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


_SECONDS = between(0.001, 86_400)
_SECONDS_OR_NONE = between(0, 86_400)
_PRICE = between(0, 100_000)

RULES: dict[str, Rule] = {
    "environment": matching(ENVIRONMENT_PATTERN, "1 to 40 of a-z, 0-9, - and _, beginning with a letter or digit"),
    "server.host": matching(re.compile(r"[A-Za-z0-9.:-]{1,253}"), "an address or a host name"),
    "server.port": between(0, 65_535),
    "server.ops_port": between(0, 65_535),
    "queue.url": queue_url,
    "workers.count": between(1, 1_000),
    "workers.max_in_flight_per_repository": between(0, 1_000),
    "workers.max_attempts": between(1, 100),
    "workers.backoff_s": _SECONDS,
    "workers.backoff_max_s": _SECONDS,
    "workers.lease_s": between(1, 3_600),  # shorter, and a busy machine's living workers look dead
    "workers.job_timeout_s": _SECONDS,
    "workers.drain_s": _SECONDS_OR_NONE,
    "model.name": matching(re.compile(r"[!-~]{1,200}"), "the full name of one model, without blanks"),
    "model.base_url": base_url,
    "model.calls_per_review": between(1, 100),
    "model.max_turns": between(1, 1_000),
    "model.max_usd_per_review": above_zero,
    "model.max_usd_per_pull_request": above_zero,
    "model.max_usd_per_day": above_zero,
    "model.prices.input": _PRICE,
    "model.prices.output": _PRICE,
    "model.prices.cache_read": _PRICE,
    "model.prices.cache_write": _PRICE,
    "host.kind": one_of("github"),
    "host.api_url": base_url,
    "host.git_url": base_url,
    "host.auth": one_of("token", "app"),
    "host.app_id": between(1, 2**53),
    "host.read": one_of("commit"),
    "host.permissions": permissions,
    "host.repositories": repositories,
    "host.login": matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\[bot\])?"), "a login, such as octocat or my-app[bot]"),
    "host.writes_apart_s": _SECONDS_OR_NONE,
    "review.actions": all_of(ACTIONS),
    "review.authors": all_of(AUTHORS),
    "review.allow_label": label,
    "review.max_comments": between(1, 100),
    "review.min_severity": one_of(*Severity),
    "review.min_interval_s": _SECONDS_OR_NONE,
    "review.guidelines": inside_repository,
    "review.report": one_of("review"),
    "review.include": plain_items,
    "review.ignore": plain_items,
    "sandbox.require": all_of(("files", "network")),
    "state.dir": absolute_path,
    "state.log_level": one_of(*LOG_LEVELS),
    "state.keep_days": between(1, 36_500),
    "alerts.command": alert_command,
    "alerts.url": url,
}
"""Keys that are not here (two booleans) may be anything that their type allows."""
