"""Someone is told, within bounds, and a failure to tell harms nothing."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest

from prreview_cli.core.ports.alerts import Alert, AlertKind
from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.services.intake import Reply
from prreview_cli.telemetry import alerts
from prreview_cli.telemetry.alerts import MOST, TRIES_AFTER_S, AlertSender
from prreview_cli.telemetry.untold import read
from prreview_cli.web.asgi import Receive, Scope, Send, answer
from prreview_cli.web.listener import Listener
from support.clocks import FakeClock, ImpatientClock, settled
from support.http_clients import until
from support.leaks import HOOK

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


def sender(folder: Path, command: tuple[str, ...] = (), url: str | None = None, timeout_s: float = 10.0) -> AlertSender:
    return AlertSender(command, url, redact, ImpatientClock(), folder, timeout_s)


async def tell(folder: Path, command: tuple[str, ...] = (), url: str | None = None, timeout_s: float = 10.0) -> None:
    """Tell it and wait for how that ends."""
    telling = sender(folder, command, url, timeout_s)
    await telling.tell(ALERT)
    await telling.close(60.0)


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
    await tell(tmp_path, (sys.executable, "-c", program))
    message, environment = json.loads(told.read_text())
    assert json.loads(message) == TOLD
    assert set(environment) <= {"PATH", "HOME", "LANG", "TZ", "LC_CTYPE"}


async def test_an_alert_is_json_even_where_the_secret_that_it_does_not_say_was_quoted(tmp_path: Path) -> None:
    hook = Hook()
    hidden = Matcher({"it": Secret(HOOK)}, ()).redact
    async with standing(hook) as url:
        telling = AlertSender((), url, hidden, ImpatientClock(), tmp_path)
        await telling.tell(replace(ALERT, reason=f"It said {HOOK.replace('/', chr(92) + '/')}"))
        await telling.close(60.0)
    (body,) = hook.bodies
    assert json.loads(body)["reason"] == "It said [it hidden]"


async def test_an_argument_is_not_read_by_a_shell(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    await tell(tmp_path, ("/bin/echo", f"$(touch {canary})"))
    assert not await asyncio.to_thread(canary.exists)


async def test_a_url_gets_the_event_as_a_json_post(tmp_path: Path) -> None:
    hook = Hook()
    async with standing(hook) as url:
        await tell(tmp_path, url=url)
    assert [json.loads(body) for body in hook.bodies] == [TOLD]


async def test_a_redirect_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trap = Hook()
    async with standing(trap) as elsewhere, standing(Hook(HTTPStatus.TEMPORARY_REDIRECT, (b"location", elsewhere.encode()))) as url:
        await tell(tmp_path, url=url)
    assert trap.bodies == []
    assert "alert_not_told" in caplog.messages


@pytest.mark.parametrize("command", [("/nowhere/to/be/found",), ("/bin/false",)])
async def test_a_command_that_fails_is_logged_and_nothing_more(
    tmp_path: Path, command: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    await tell(tmp_path, command)
    assert caplog.messages == [*["alert_not_told"] * len(TRIES_AFTER_S), "alert_given_up"]


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "TRIES_AFTER_S", (0.0,))
    pids = tmp_path / "pids"
    script = f"sleep 600 & echo $! > {pids}.new; mv {pids}.new {pids}; wait"
    await tell(tmp_path, ("/bin/sh", "-c", script), timeout_s=1.0)
    child = int(pids.read_text())
    await until(lambda: not _alive(child))


async def test_a_url_that_cannot_be_reached_does_not_keep_the_command_from_being_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = tmp_path / "told"
    await tell(tmp_path, ("/usr/bin/tee", str(told)), "http://127.0.0.1:1/hook/secret-path")
    assert json.loads(told.read_text()) == TOLD
    records = [record for record in caplog.records if record.message in {"alert_not_told", "alert_given_up"}]
    assert records
    assert "secret-path" not in str([record.__dict__ for record in records])
    assert "secret-path" not in (tmp_path / "untold-url.json").read_text()


async def test_without_a_channel_nothing_happens(tmp_path: Path) -> None:
    await tell(tmp_path)


async def test_a_channel_that_recovers_is_told_once_and_the_note_of_its_failure_goes(tmp_path: Path) -> None:
    hook = Hook(HTTPStatus.BAD_GATEWAY)
    async with standing(hook) as url:
        await tell(tmp_path, url=url)
        assert len(hook.bodies) == len(TRIES_AFTER_S)
        [untold] = read(tmp_path)
        assert (untold.channel, untold.whom, untold.event, untold.at) == ("url", "127.0.0.1", "paused", "2026-01-02T03:00:00Z")
        assert untold.reason == "ConnectionError: It answered 502."
        assert (tmp_path / "untold-url.json").stat().st_mode & 0o777 == 0o600
        hook.status = HTTPStatus.OK
        await tell(tmp_path, url=url)
        assert len(hook.bodies) == len(TRIES_AFTER_S) + 1
    assert read(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


async def test_nobody_waits_for_an_alert_and_the_tries_keep_their_distance(tmp_path: Path) -> None:
    clock, hook = FakeClock(), Hook(HTTPStatus.BAD_GATEWAY)
    async with standing(hook) as url:
        telling = AlertSender((), url, redact, clock, tmp_path)
        await telling.tell(ALERT)
        assert hook.bodies == []
        await until(lambda: clock.slept == list(TRIES_AFTER_S[:2]))
        assert len(hook.bodies) == 1
        await clock.advance(TRIES_AFTER_S[1])
        await until(lambda: clock.slept == list(TRIES_AFTER_S[:3]))
        await telling.close(0.01)
    assert len(hook.bodies) == 2
    assert [untold.reason for untold in read(tmp_path)] == ["ConnectionError: It answered 502."]


async def test_a_flood_of_alerts_is_bounded_and_what_is_left_out_is_noted(tmp_path: Path) -> None:
    telling = AlertSender(("/bin/true",), None, redact, Waiting(), tmp_path)
    for _ in range(MOST + 3):
        await telling.tell(ALERT)
    await settled()
    assert [untold.reason for untold in read(tmp_path)] == ["Too many alerts were being told already."]
    await telling.close(0.01)


class Waiting(FakeClock):
    """Nobody's time ever comes."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("said", ["", "[]", "{", '{"channel": "url"}'])
def test_a_note_that_cannot_be_understood_is_left_out(tmp_path: Path, said: str) -> None:
    (tmp_path / "untold-url.json").write_text(said)
    assert read(tmp_path) == []
    assert read(tmp_path / "nowhere") == []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" and os.getpgid(pid) > 0
    except (FileNotFoundError, ProcessLookupError):
        return False
