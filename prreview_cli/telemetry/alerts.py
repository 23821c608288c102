"""Telling the operator: the event as JSON to a program's standard input, or as a JSON POST, or both."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from prreview_cli.core.ports.alerts import Alert
from prreview_cli.telemetry.formats import Redact
from prreview_cli.telemetry.logs import logger

SCHEMA_VERSION = 1
INHERITED = ("PATH", "HOME", "LANG", "TZ")
"""What a program that is told may know of our environment, where `env:` secrets live."""

log = logger("alerts")


@dataclass(frozen=True, slots=True)
class AlertSender:
    """[alerts] as a port: `command` and `url` are told at the same time, each within `timeout_s`."""

    command: tuple[str, ...]
    url: str | None
    redact: Redact
    timeout_s: float = 10.0

    async def tell(self, alert: Alert) -> None:
        """Tell both. Never raises: a failure to tell is logged."""
        message = self.redact(json.dumps(to_json(alert))).encode()
        told = []
        if self.command:
            told.append(self._tell(self.command[0], _run(self.command, message)))
        if self.url is not None:
            told.append(self._tell(str(urlsplit(self.url).hostname), _post(self.url, message)))
        await asyncio.gather(*told)
        log.info("alert", kind=alert.kind, reason=alert.reason, job=alert.job, channels=len(told))

    async def _tell(self, whom: str, telling: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(self.timeout_s):
                await telling
        except OSError as error:  # the time-out is one, too
            log.warning("alert_not_told", whom=whom, kind=type(error).__qualname__, reason=str(error))


def to_json(alert: Alert) -> dict[str, object]:
    """The event as a program is told it."""
    return {
        "schema_version": SCHEMA_VERSION,
        "event": alert.kind.value,
        "environment": alert.environment,
        "at": alert.at.isoformat().replace("+00:00", "Z"),
        "reason": alert.reason,
        "job": alert.job,
        "repository": alert.repository,
        "number": alert.number,
    }


async def _run(command: tuple[str, ...], message: bytes) -> None:
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    quiet = asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=quiet, stderr=quiet, env=environment, start_new_session=True
    )
    try:
        await child.communicate(message)
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    if child.returncode:
        raise ChildProcessError(child.returncode)


async def _post(url: str, message: bytes) -> None:
    import httpx  # noqa: PLC0415 -- heavy, and seldom needed

    try:
        async with httpx.AsyncClient(follow_redirects=False) as client:
            answer = await client.post(url, content=message, headers={"content-type": "application/json"})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConnectionError(type(error).__qualname__) from error
    if not answer.is_success:
        raise ConnectionError(answer.status_code)
