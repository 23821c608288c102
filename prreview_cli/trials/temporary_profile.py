"""A profile for one trial, with secrets made up for it, in a folder that is removed afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

MODEL = "claude-sonnet-4-5-20250929"
ENVIRONMENT = "load-test"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the trial's server shall hold: random, worth nothing, valid at the simulators alone."""

    model_api_key: str = field(default_factory=lambda: f"sk-ant-trial-{secrets.token_urlsafe(48)}")
    host_token: str = field(default_factory=lambda: f"trial_pat_{secrets.token_urlsafe(48)}")
    webhook_secret: str = field(default_factory=lambda: secrets.token_hex(32))

    def named(self) -> dict[str, str]:
        """The values by the names that a profile has for them."""
        return {name: getattr(self, name) for name in ("model_api_key", "host_token", "webhook_secret")}


def write(
    folder: Path,
    keys: Keys,
    *,
    model_url: str,
    api_url: str,
    git_url: str,
    workers: int,
    tables: Mapping[str, Mapping[str, Any]] | None = None,
) -> Path:
    """Write the profile and the files that hold its secrets; the profile's path. `tables` go before its own values."""
    state, kept = folder / "state", folder / "secrets"
    for made in (state, kept):
        made.mkdir(mode=0o700)
    references = {}
    for name, value in keys.named().items():
        path = kept / name
        path.touch(mode=0o600)
        path.write_text(value, encoding="ascii")
        references[name] = f"file:{path}"
    own: dict[str, dict[str, Any]] = {
        # The caps stay in force; they only must not end a trial of ten thousand.
        "model": {"name": MODEL, "max_usd_per_day": 100_000.0},
        "review": {"min_interval_s": 1.0},
        # The simulated host has no limit of its own on writes; the turns are taken all the same.
        "host": {"writes_apart_s": 0.02},
    }
    fixed: dict[str, dict[str, Any]] = {
        "workers": {"count": workers},
        "model": {"base_url": model_url},
        "host": {"kind": "github", "api_url": api_url, "git_url": git_url},
        "state": {"dir": str(state)},
        "secrets": references,
    }
    profile = {"environment": ENVIRONMENT, **_merged(own, tables or {}, fixed)}
    path = folder / f"{ENVIRONMENT}.toml"
    path.write_text(tomli_w.dumps(profile), encoding="utf-8")
    path.chmod(0o600)
    return path


def _merged(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Tables with the values of all layers; the later layer wins."""
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for table, values in layer.items():
            merged.setdefault(table, {}).update(values)
    return merged
