"""A gateway for tests, with plain stand-ins for what it asks of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx

from prreview_cli.core.errors import Failure
from prreview_cli.core.job import Job, Lease, State
from prreview_cli.core.ports.gateway import Allowance
from prreview_cli.core.ports.store import CapReached, Caps, Pause
from prreview_cli.core.profile import Model, Prices
from prreview_cli.core.review import Usage
from prreview_cli.core.toolspecs import TOOLS
from prreview_cli.gateway import ModelGateway
from prreview_cli.gateway.passes import Pass
from prreview_cli.secrecy import Secret
from support.clocks import ImpatientClock

KEY = "sk-ant-api03-canary-of-the-real-key-0123456789"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WIRE = frozenset(tool.wire_name for tool in TOOLS)
MODEL = "claude-test"
JOB = Job("job-1", 7, "octo/demo", 1, "a" * 40, "main", 0, State.RUNNING, 0, 1, 1, 0, "alice", True, False, None, None, NOON, NOON)
LEASE = Lease(JOB, "worker-1")
PRICES = Prices(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)


@dataclass
class Book:
    """Spend: what was reserved and how it was settled, in order; `full` names a cap that is used up."""

    full: str | None = None
    reserved: list[tuple[Lease | None, float]] = field(default_factory=list)
    settled: list[tuple[str, Usage, int | None]] = field(default_factory=list)

    async def reserve(self, lease: Lease | None, usd: float, caps: Caps, now: datetime) -> str:
        if self.full is not None:
            raise CapReached(self.full, 1.0, 0.9)
        self.reserved.append((lease, usd))
        return str(len(self.reserved))

    async def settle(self, reservation: str, usage: Usage, status: int | None, now: datetime) -> None:
        self.settled.append((reservation, usage, status))

    async def of_job(self, job_id: str) -> Usage:
        raise NotImplementedError

    async def today(self, now: datetime) -> float:
        raise NotImplementedError

    async def requests_by_status(self) -> dict[str, int]:
        raise NotImplementedError

    async def total(self) -> float:
        raise NotImplementedError


@dataclass
class Switch:
    """The kill switch as a plain value."""

    pause_in_force: Pause | None = None

    async def paused(self, now: datetime) -> Pause | None:
        return self.pause_in_force


@dataclass
class Shared:
    """What all processes on a database know of the provider's limit."""

    until: datetime | None = None

    async def note(self, failure: Failure) -> None:
        self.until = failure.retry_at

    async def told(self) -> datetime | None:
        return self.until


@dataclass
class Rig:
    """A running gateway and all that was told to it and by it."""

    gateway: ModelGateway
    book: Book
    switch: Switch
    clock: ImpatientClock
    failures: list[Failure]
    answers: list[None]

    @asynccontextmanager
    async def grant(self, lease: Lease = LEASE, calls: int = 1) -> AsyncIterator[Pass]:
        async with self.gateway.grant(lease, Allowance(MODEL, WIRE, calls)) as grant:
            yield grant


@asynccontextmanager
async def running(
    base_url: str,
    *,
    key: Callable[[], Secret] = lambda: Secret(KEY),
    clock: Any = None,
    shared: Shared | None = None,
    **settings: Any,
) -> AsyncIterator[Rig]:
    book, switch, clock, shared = Book(), Switch(), clock or ImpatientClock(), shared or Shared()
    failures: list[Failure] = []
    answers: list[None] = []

    async def count() -> None:
        answers.append(None)

    async def remember(failure: Failure) -> None:
        failures.append(failure)
        switch.pause_in_force = Pause(str(failure), clock.now())

    gateway = ModelGateway(
        replace(Model(MODEL, base_url, prices=PRICES), **settings),
        key,
        book,
        switch,  # type: ignore[arg-type]
        clock,
        on_profile_failure=remember,
        on_answer=count,
        on_limit=shared.note,
        limited_until=shared.told,
        redact=lambda text: text.replace(KEY, "[redacted]"),
        chance=lambda: 0.999,
    )
    await gateway.start()
    try:
        yield Rig(gateway, book, switch, clock, failures, answers)
    finally:
        await gateway.close()


def body(**changes: Any) -> dict[str, Any]:
    """A request as the CLI makes it; a change to None leaves the field out."""
    asked = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "look"}],
        "tools": [{"name": name, "description": "", "input_schema": {"type": "object"}} for name in sorted(WIRE)],
        "max_tokens": 1000,
        "stream": True,
        **changes,
    }
    return {name: value for name, value in asked.items() if value is not None}


async def post(grant: Pass, asked: dict[str, Any] | None = None, *, path: str = "/v1/messages?beta=true", **headers: str) -> httpx.Response:
    """One request of the agent's process, to its end."""
    names = {"x-api-key": grant.token, **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with httpx.AsyncClient(base_url=grant.base_url, trust_env=False, timeout=20, verify=False) as client:
        return await client.post(path, json=body() if asked is None else asked, headers=names)
