"""Telling the operator: the event as JSON to a program's standard input, or as a JSON POST, or both."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from prreview_cli.core.ports.alerts import Alert
from prreview_cli.core.ports.clock import Clock
from prreview_cli.telemetry.formats import Redact
from prreview_cli.telemetry.logs import logger
from prreview_cli.telemetry.untold import Untold, forget, note

Send = Callable[[bytes], Awaitable[None]]

SCHEMA_VERSION = 1
INHERITED = ("PATH", "HOME", "LANG", "TZ")
"""What a program that is told may know of our environment, where `env:` secrets live."""
TRIES_AFTER_S = (0.0, 2.0, 10.0, 30.0)
"""When a channel is tried, in seconds after the try before."""
MOST = 32
"""So many alerts are being told at once; what comes on top of that is not told, and said to be so."""
CLOSE_WITHIN_S = 3.0
"""How long the end of the process waits for those that are being told."""

log = logger("alerts")


@dataclass(frozen=True, slots=True)
class AlertSender:
    """[alerts] as a port: `command` and `url` are told at the same time, each try within `timeout_s`.

    What a channel did not take after all tries is noted in `folder`, where `status` and `doctor` find it.
    """

    command: tuple[str, ...]
    url: str | None
    redact: Redact
    clock: Clock
    folder: Path
    timeout_s: float = 10.0
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    async def tell(self, alert: Alert) -> None:
        """See `core.ports.alerts`. Never raises."""
        log.info("alert", kind=alert.kind, reason=alert.reason, job=alert.job)
        for channel, whom, send in self._channels():
            if len(self._telling) >= MOST:
                self._note(channel, whom, alert, "Too many alerts were being told already.")
                continue
            task = asyncio.create_task(self._tell(channel, whom, send, alert))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def close(self, within_s: float = CLOSE_WITHIN_S) -> None:
        """Let what is being told end, within this time; what is cut off is noted as not told."""
        if self._telling:
            await asyncio.wait(set(self._telling), timeout=within_s)
        for task in set(self._telling):
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _channels(self) -> Iterator[tuple[str, str, Send]]:
        if self.command:
            yield "command", self.command[0], partial(_run, self.command)
        if self.url is not None:
            yield "url", str(urlsplit(self.url).hostname), partial(_post, self.url)

    async def _tell(self, channel: str, whom: str, send: Send, alert: Alert) -> None:
        message, reason = json.dumps(self._hidden(to_json(alert))).encode(), "The process ended before it could be told."
        try:
            for wait_s in TRIES_AFTER_S:
                await self.clock.sleep(wait_s)
                try:
                    async with asyncio.timeout(self.timeout_s):
                        await send(message)
                except OSError as error:  # the time-out is one, too
                    reason = f"{type(error).__qualname__}: {error}".rstrip(": ")
                    log.warning("alert_not_told", whom=whom, kind=type(error).__qualname__, reason=str(error))
                else:
                    forget(self.folder, channel)
                    return
        except asyncio.CancelledError:
            self._note(channel, whom, alert, reason)
            raise
        self._note(channel, whom, alert, reason)

    def _hidden(self, told: Mapping[str, object]) -> dict[str, object]:
        """Redacted before it becomes JSON, of which redaction could take half an escape."""
        return {name: self.redact(value) if isinstance(value, str) else value for name, value in told.items()}

    def _note(self, channel: str, whom: str, alert: Alert, reason: str) -> None:
        told = to_json(alert)
        log.error("alert_given_up", whom=whom, kind=alert.kind, reason=reason)
        try:
            note(self.folder, Untold(channel, whom, str(told["event"]), str(told["at"]), self.redact(reason)))
        except OSError as error:
            log.error("alert_not_noted", reason=str(error))


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
        raise ChildProcessError(f"It ended with exit code {child.returncode}.")


async def _post(url: str, message: bytes) -> None:
    import httpx  # noqa: PLC0415 -- heavy, and seldom needed

    try:
        async with httpx.AsyncClient(follow_redirects=False) as client:
            answer = await client.post(url, content=message, headers={"content-type": "application/json"})
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConnectionError(type(error).__qualname__) from error
    if not answer.is_success:
        raise ConnectionError(f"It answered {answer.status_code}.")
