"""All that stands between a stranger and the queue, with no stand-in but the clock: socket, door, endpoint, intake, dialect, SQLite."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sqlite3
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.core.events import Event
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.hosts.github.webhook import GitHubWebhook
from prreview_cli.secrecy import Secret
from prreview_cli.services.intake import Intake
from prreview_cli.store.sqlite import SqliteStore
from prreview_cli.web.endpoint import Endpoint
from prreview_cli.web.keeper import Limits
from prreview_cli.web.listener import Listener
from support.clocks import FakeClock
from support.http_clients import Answered, delivery, post
from support.stores import opened_sqlite

SECRET = "a webhook secret of more than thirty-two bytes"

SERVER = """
import asyncio, sys
from support.http_clients import DoorStore, SignedReader, StillClock
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.services.intake import Intake
from prreview_cli.web.endpoint import Endpoint
from prreview_cli.web.listener import Listener

async def main():
    store, clock = DoorStore(), StillClock()
    endpoint = Endpoint(Intake(SignedReader(), store, ReviewPolicy(), (), clock), store.check_writable, clock)
    async with Listener(endpoint, "127.0.0.1", 0, setting="server.port") as listener:
        print(listener.url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""


def payload(**changes: Any) -> dict[str, Any]:
    """A pull_request event; `pull` changes what it says of the pull request."""
    pull: dict[str, Any] = {
        "number": 3,
        "state": "open",
        "draft": False,
        "title": "A title",
        "updated_at": "2026-11-24T12:00:00Z",
        "author_association": "MEMBER",
        "user": {"login": "alice"},
        "head": {"sha": "a" * 40, "ref": "topic"},
        "base": {"sha": "b" * 40, "ref": "main"},
    }
    whole: dict[str, Any] = {
        "action": "opened",
        "number": 3,
        "pull_request": pull | changes.pop("pull", {}),
        "repository": {"id": 7, "full_name": "octo/demo"},
        "sender": {"login": "alice"},
    }
    return whole | changes


def body(**changes: Any) -> bytes:
    return json.dumps(payload(**changes)).encode()


def sha1(data: bytes) -> str:
    """What GitHub sends beside, for old receivers."""
    return "sha1=" + hmac.new(SECRET.encode(), data, hashlib.sha1).hexdigest()


class WatchedWebhook(GitHubWebhook):
    """Counts what is parsed."""

    parsed = 0

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Event:
        self.parsed += 1
        return super().read(body, headers)


@dataclass
class Ingress:
    url: str
    database: Path
    webhook: WatchedWebhook
    store: SqliteStore
    endpoint: Endpoint

    async def post(self, data: bytes, **headers: str) -> Answered:
        """One signed delivery; a keyword replaces a header."""
        return await post(self.url, delivery(data, **headers))

    def rows(self) -> dict[str, int]:
        """How many deliveries and jobs are in the database's file."""
        return rows(self.database)


def rows(database: Path) -> dict[str, int]:
    with closing(sqlite3.connect(database)) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("delivery", "job")}


@asynccontextmanager
async def ingress(folder: Path, limits: Limits | None = None) -> AsyncIterator[Ingress]:
    """The listener on a free port and a fresh database in `folder`."""
    clock, webhook = FakeClock(), WatchedWebhook(lambda: [Secret(SECRET)])
    store = await opened_sqlite(folder / "queue.db", clock)
    try:
        endpoint = Endpoint(Intake(webhook, store, ReviewPolicy(), (), clock), store.check_writable, clock)
        async with Listener(endpoint, "127.0.0.1", 0, setting="server.port", limits=limits) as listener:
            yield Ingress(listener.url, folder / "queue.db", webhook, store, endpoint)
    finally:
        await store.close()


@dataclass
class Server:
    """The door in a process of its own, whose memory can be measured."""

    url: str
    pid: int

    def peak(self) -> int:
        """The most memory that was ever resident, in bytes (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


@asynccontextmanager
async def server(home: Path) -> AsyncIterator[Server]:
    """It is asked a few things first, so that what the first requests load is no growth."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    pipe = asyncio.subprocess.PIPE
    with (home / "stderr").open("wb") as said:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdin=pipe, stdout=pipe, stderr=said, env=environment)
    assert child.stdout is not None
    try:
        async with asyncio.timeout(60):
            url = (await child.stdout.readline()).decode().strip()
            for _ in range(50):
                assert (await post(url, delivery())).status == 200
        yield Server(url, child.pid)
    finally:
        async with asyncio.timeout(60):
            await child.communicate(b"")
    said_on_stderr = (home / "stderr").read_text()
    if "Traceback" in said_on_stderr:
        pytest.fail(f"The door left a traceback:\n{said_on_stderr}")
