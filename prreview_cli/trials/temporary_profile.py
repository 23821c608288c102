"""A profile for one trial, with secrets made up for it, in a folder that is removed afterwards."""

from __future__ import annotations

import secrets
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


def write(folder: Path, keys: Keys, *, model_url: str, api_url: str, git_url: str, workers: int) -> Path:
    """Write the profile and the files that hold its secrets; the profile's path."""
    state, kept = folder / "state", folder / "secrets"
    for made in (state, kept):
        made.mkdir(mode=0o700)
    references = {}
    for name in ("model_api_key", "host_token", "webhook_secret"):
        path = kept / name
        path.touch(mode=0o600)
        path.write_text(getattr(keys, name), encoding="ascii")
        references[name] = f"file:{path}"
    profile: dict[str, Any] = {
        "environment": ENVIRONMENT,
        "workers": {"count": workers},
        # The caps stay in force; they only must not end a trial of ten thousand.
        "model": {"base_url": model_url, "name": MODEL, "max_usd_per_day": 100_000.0},
        "host": {"kind": "github", "api_url": api_url, "git_url": git_url},
        "review": {"min_interval_s": 1.0},
        "state": {"dir": str(state)},
        "secrets": references,
    }
    path = folder / f"{ENVIRONMENT}.toml"
    path.write_text(tomli_w.dumps(profile), encoding="utf-8")
    path.chmod(0o600)
    return path
