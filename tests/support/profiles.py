"""Profile files for tests: a valid one, with whatever a test changes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from keyring.backend import KeyringBackend

MODEL = "claude-sonnet-4-5-20250929"


def document(changes: Mapping[str, Any] | None = None, environment: str = "test") -> dict[str, Any]:
    """A valid profile's document; `changes` maps dotted keys to values, None takes a key away."""
    whole: dict[str, Any] = {
        "environment": environment,
        "model": {"name": MODEL},
        "secrets": {name: f"env:PRREVIEW_TEST_{name.upper()}" for name in ("model_api_key", "host_token", "webhook_secret")},
    }
    for key, value in (changes or {}).items():
        *tables, last = key.split(".")
        inner = whole
        for table in tables:
            inner = inner.setdefault(table, {})
        if value is None:
            inner.pop(last, None)
        else:
            inner[last] = value
    return whole


def profile_file(folder: Path, changes: Mapping[str, Any] | None = None, *, name: str = "test") -> Path:
    """Write a valid profile with these changes to `folder`/`name`.toml; the environment is called like the file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(document(changes, environment=name)))
    path.chmod(0o600)
    return path


class MemoryKeyring(KeyringBackend):
    """A keyring that forgets everything with its process."""

    priority = 0  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]
