"""Senders for the door's tests: honest, hasty, slow and hostile ones, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.events import Answer, AnswerStatus, Decision, Delivery, Event, Ignore, Ping, PullRequestEvent, Unrelated

SECRET = b"a webhook secret of more than thirty-two bytes"
HEAD_SHA = "a" * 40
PATIENCE_S = 10.0


class StillClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.elapsed = 0.0

    def now(self) -> datetime:
        return self.at + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, seconds: float) -> None:
        self.elapsed += seconds


class SignedReader:
    """A webhook dialect as simple as can be: an HMAC, and JSON with the event's fields."""

    def __init__(self, secret: bytes = SECRET) -> None:
        self.secret = secret
        self.read_calls = 0

    def authentic(self, body: bytes, headers: Mapping[bytes, bytes]) -> bool:
        return hmac.compare_digest(headers.get(b"x-hub-signature-256", b""), signature(body, self.secret))

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Event:
        self.read_calls += 1
        content = json.loads(body)
        if "zen" in content:
            return Ping()
        if "number" not in content:
            return Unrelated("The event has no pull request.", content.get("action"))
        return pull_request(**{key: content[key] for key in ("action", "number") if key in content})

    def delivery_id(self, headers: Mapping[bytes, bytes]) -> str:
        return headers.get(b"x-github-delivery", b"").decode("latin-1")

    def event_name(self, headers: Mapping[bytes, bytes]) -> str:
        return headers.get(b"x-github-event", b"").decode("latin-1")


def pull_request(*, action: str = "opened", number: int = 7, sender: str = "alice") -> PullRequestEvent:
    return PullRequestEvent(
        action=action,
        repository_id=42,
        repository="octo/widgets",
        number=number,
        head_sha=HEAD_SHA,
        base_ref="main",
        draft=False,
        open=action != "closed",
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
        author="alice",
        author_association="MEMBER",
        sender=sender,
    )


@dataclass
class RecordingJobs:
    """Keeps what it is told to accept; with `trouble` it accepts nothing."""

    accepted: list[tuple[Delivery, Decision]] = field(default_factory=list)
    trouble: StoreUnusable | None = None
    gate: asyncio.Event | None = None

    async def accept(self, delivery: Delivery, decision: Decision, min_interval_s: float, now: datetime) -> Answer:
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        self.accepted.append((delivery, decision))
        if isinstance(decision, Ignore):
            return Answer(AnswerStatus.IGNORED, decision.reason)
        return Answer(AnswerStatus.QUEUED, "The review is queued.", f"job-{len(self.accepted)}")


@dataclass
class LoginSwitch:
    login: str | None = None
    asked: int = 0

    async def own_login(self) -> str | None:
        self.asked += 1
        return self.login


@dataclass
class DoorStore:
    """As much of a store as a delivery needs."""

    jobs: RecordingJobs = field(default_factory=RecordingJobs)
    switches: LoginSwitch = field(default_factory=LoginSwitch)
    unwritable: Exception | None = None
    checks: int = 0

    async def check_writable(self) -> None:
        self.checks += 1
        if self.unwritable is not None:
            raise self.unwritable


def signature(body: bytes, secret: bytes = SECRET) -> bytes:
    return b"sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest().encode()


def delivery(body: bytes = b'{"number": 7}', **headers: str) -> bytes:
    """A whole signed request; a keyword replaces or (with an underscore for the dash) adds a header."""
    fields = {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-github-event": "pull_request",
        "x-github-delivery": "d-1",
        "x-hub-signature-256": signature(body).decode(),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return request("POST", "/webhook/pr", fields) + body


def request(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        content: dict[str, object] = json.loads(self.body)
        return content


class Sender:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, patience_s: float = PATIENCE_S) -> Answered:
        """The next answer; what was sent may be anything."""
        async with asyncio.timeout(patience_s):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answered(int(first.split()[1]), headers, body)

    async def ask(self, data: bytes) -> Answered:
        await self.send(data)
        return await self.answer()

    async def ended(self, patience_s: float = PATIENCE_S) -> bytes:
        """What still comes until the other side ends the stream, orderly or not."""
        async with asyncio.timeout(patience_s):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""

    async def pour_until_answered(self, piece: bytes) -> Answered:
        """Send the same piece again and again, as a client that listens while it sends; the answer that ends it."""
        async with asyncio.TaskGroup() as both:
            sending = both.create_task(self.pour(piece))
            answered = await self.answer()
            sending.cancel()
        return answered

    async def pour(self, piece: bytes, until_s: float = PATIENCE_S) -> int:
        """Send the same piece again and again until the other side hangs up or `until_s` is over; the bytes sent."""
        sent = 0
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(until_s):
                while True:
                    await self.send(piece)
                    sent += len(piece)
                    await pass_time(0)  # else nobody listens until the operating system takes no more
        return sent

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def pass_time(seconds: float) -> None:
    """For where time itself is what is tested."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, passed.set)
    await passed.wait()


async def until(true: Callable[[], bool]) -> None:
    """Wait until it is true, within reason."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await pass_time(0.002)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Sender]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    sender = Sender(*await asyncio.open_connection(host.strip("[]"), int(port)))
    try:
        yield sender
    finally:
        await sender.close()


async def post(url: str, data: bytes) -> Answered:
    """One request over a connection of its own."""
    async with connected(url) as sender:
        return await sender.ask(data)
