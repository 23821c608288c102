"""A keyring back end in a file, for children of a test: it is copied into a folder of theirs and keeps `kept.json` there.

A file `kill` beside it names a moment ("before webhook_secret", "after webhook_secret"): whoever writes that secret then is
killed with -9, just before or just after it is kept.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

from keyring.backend import KeyringBackend


class Keyring(KeyringBackend):
    """Keeps everything in one file."""

    priority = 1
    folder = Path(__file__).parent

    def _all(self) -> dict[str, str]:
        file = self.folder / "kept.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def _keep(self, kept: dict[str, str]) -> None:
        new = self.folder / "kept.new"
        new.write_text(json.dumps(kept))
        new.replace(self.folder / "kept.json")

    def _at(self, moment: str) -> None:
        kill = self.folder / "kill"
        if kill.exists() and kill.read_text() == moment:
            kill.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._at(f"before {username}")
        self._keep({**self._all(), f"{service} {username}": password})
        self._at(f"after {username}")

    def delete_password(self, service: str, username: str) -> None:
        self._keep({key: value for key, value in self._all().items() if key != f"{service} {username}"})


def install(folder: Path) -> dict[str, str]:
    """Put it into this folder; the variables by which a child uses it."""
    folder.mkdir()
    shutil.copy(__file__, folder / "said_keyring.py")
    return {"PYTHONPATH": str(folder), "PYTHON_KEYRING_BACKEND": "said_keyring.Keyring"}
