"""Where the profile's running `serve` listens: a file in the state folder, for other commands of this user.

The server holds a lock on the file for as long as it lives. The kernel lets go of it however the process
ends, so an address whose lock can be had is a dead server's, whatever process has its number today.
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from prreview_cli.telemetry import logger

log = logger("whereabouts")

FILE = "serve.json"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never listened on
"""Addresses that one listens on and does not call, each with the one to call."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What the file says. `webhook` is None where no server of this profile runs; `stale`: one has ended without a goodbye."""

    webhook: str | None
    stale: bool = False


@contextmanager
def announced(state: Path, webhook: str) -> Iterator[None]:
    """Say where this process listens until the block ends. A later server of the same profile takes the place over.

    Serving matters more than saying so: a file that cannot be written is logged.
    """
    try:
        held, path = _place(state, json.dumps({"webhook": webhook, "pid": os.getpid()}))
    except OSError as error:
        log.warning("address_not_written", folder=str(state), reason=error.strerror)
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            if os.path.samestat(path.stat(), os.fstat(held)):
                path.unlink()
        os.close(held)


def whereabouts(state: Path) -> Whereabouts:
    """Where the profile's server listens, if one runs. A file that cannot be understood counts as none."""
    try:
        with (state / FILE).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Whereabouts(_callable(str(json.load(file)["webhook"])))
            return Whereabouts(None, stale=True)
    except (OSError, ValueError, KeyError, TypeError):
        return Whereabouts(None)


def _place(state: Path, text: str) -> tuple[int, Path]:
    """Locked before it is in its place, so that no reader finds it free."""
    held, made = tempfile.mkstemp(prefix=f"{FILE}.", dir=state)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        os.write(held, text.encode())
        return held, Path(made).replace(state / FILE)
    except OSError:
        os.close(held)
        Path(made).unlink(missing_ok=True)
        raise


def _callable(url: str) -> str:
    """The address as this machine can call it."""
    parts = urlsplit(url)
    host = EVERYWHERE.get(parts.hostname or "", parts.hostname or "")
    return parts._replace(netloc=f"[{host}]:{parts.port}" if ":" in host else f"{host}:{parts.port}").geturl()
