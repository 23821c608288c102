"""The limits of a real profile, taken over into a trial's temporary one. Its secrets, addresses and folders stay behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prreview_cli.core.profile import Profile, Workers

_MODEL = ("name", "prices", "calls_per_review", "max_turns", "max_usd_per_review", "max_usd_per_pull_request", "max_usd_per_day")
"""The model's name and prices come along, since a cap in USD means nothing without them."""
_REVIEW = ("min_interval_s", "max_comments")


@dataclass(frozen=True, slots=True)
class Limits:
    """Tables of a profile, and the bounds that the verdict holds against what was seen. `profile` is its name,
    "" for a trial's own. `per_repository` 0: no cap of its own."""

    profile: str = ""
    workers: int = 4
    per_repository: int = 0
    calls_per_review: int = 1
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


OWN = Limits()
"""A trial's own."""


def of_profile(profile: Profile) -> Limits:
    """The limits of this profile."""
    limits: Workers = profile.workers
    tables = {
        "workers": asdict(limits),
        "model": _chosen(asdict(profile.model), _MODEL),
        "review": _chosen(asdict(profile.review), _REVIEW),
        "host": {"writes_apart_s": profile.host.writes_apart_s},
    }
    return Limits(profile.name, limits.count, limits.max_in_flight_per_repository, profile.model.calls_per_review, tables)


def _chosen(values: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: values[key] for key in keys if values[key] is not None}
