"""Someone is told, within bounds, and a failure to tell harms nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest

from prreview_cli.core.ports.alerts import Alert, AlertKind
from prreview_cli.services.intake import Reply
from prreview_cli.telemetry.alerts import AlertSender
from prreview_cli.web.asgi import Receive, Scope, Send, answer
from prreview_cli.web.listener import Listener
from support.http_clients import until

CANARY = "canary-0123456789"
ALERT = Alert(
    AlertKind.PAUSED, "prod", datetime(2026, 1, 2, 3, tzinfo=UTC), f"The key {CANARY} was not accepted.", "job-1", "octo/widgets", 7
)
TOLD = {
    "schema_version": 1,
    "event": "paused",
    "environment": "prod",
    "at": "2026-01-02T03:00:00Z",
    "reason": "The key [redacted] was not accepted.",
    "job": "job-1",
    "repository": "octo/widgets",
    "number": 7,
}


def redact(text: str) -> str:
    return text.replace(CANARY, "[redacted]")


def sender(command: tuple[str, ...] = (), url: str | None = None, timeout_s: float = 10.0) -> AlertSender:
    return AlertSender(command, url, redact, timeout_s)


class Hook:
    """Takes alerts."""

    def __init__(self, status: HTTPStatus = HTTPStatus.OK, *headers: tuple[bytes, bytes]) -> None:
        self.status, self.headers = status, headers
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive())["body"])
        await answer(send, Reply(self.status, "", b""), *self.headers)


@asynccontextmanager
async def standing(hook: Hook) -> AsyncIterator[str]:
    async with Listener(hook, "127.0.0.1", 0, setting="x") as listener:
        yield listener.url


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


async def test_a_command_gets_the_event_on_its_standard_input_and_little_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRREVIEW_CANARY", CANARY)
    told = tmp_path / "told"
    program = f"import os, sys, json; open({str(told)!r}, 'w').write(json.dumps([sys.stdin.read(), dict(os.environ)]))"
    await sender((sys.executable, "-c", program)).tell(ALERT)
    message, environment = json.loads(told.read_text())
    assert json.loads(message) == TOLD
    assert set(environment) <= {"PATH", "HOME", "LANG", "TZ", "LC_CTYPE"}


async def test_an_argument_is_not_read_by_a_shell(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    await sender(("/bin/echo", f"$(touch {canary})")).tell(ALERT)
    assert not await asyncio.to_thread(canary.exists)


async def test_a_url_gets_the_event_as_a_json_post() -> None:
    hook = Hook()
    async with standing(hook) as url:
        await sender(url=url).tell(ALERT)
    assert [json.loads(body) for body in hook.bodies] == [TOLD]


async def test_a_redirect_is_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    trap = Hook()
    async with standing(trap) as elsewhere, standing(Hook(HTTPStatus.TEMPORARY_REDIRECT, (b"location", elsewhere.encode()))) as url:
        await sender(url=url).tell(ALERT)
    assert trap.bodies == []
    assert "alert_not_told" in caplog.messages


@pytest.mark.parametrize("command", [("/nowhere/to/be/found",), ("/bin/false",)])
async def test_a_command_that_fails_is_logged_and_nothing_more(command: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    await sender(command).tell(ALERT)
    assert caplog.messages == ["alert_not_told"]


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! > {pids}.new; mv {pids}.new {pids}; wait"
    await sender(("/bin/sh", "-c", script), timeout_s=1.0).tell(ALERT)
    child = int(pids.read_text())
    await until(lambda: not _alive(child))


async def test_a_url_that_cannot_be_reached_does_not_keep_the_command_from_being_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = tmp_path / "told"
    await sender(("/usr/bin/tee", str(told)), "http://127.0.0.1:1/hook/secret-path").tell(ALERT)
    assert json.loads(told.read_text()) == TOLD
    (record,) = (record for record in caplog.records if record.message == "alert_not_told")
    assert "secret-path" not in str(record.__dict__)


async def test_without_a_channel_nothing_happens() -> None:
    await sender().tell(ALERT)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" and os.getpgid(pid) > 0
    except (FileNotFoundError, ProcessLookupError):
        return False
