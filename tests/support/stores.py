"""A store under test, and short words for what a test does with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prreview_cli.core.events import Answer, Cancel, Decision, Delivery, Ignore, Review
from prreview_cli.core.job import AttemptCost, Job, Lease, Outcome, Posted, State, Target
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Capacity, Store
from prreview_cli.core.review import Coverage, Finding, ReviewStatus, Severity, Usage
from prreview_cli.core.review import Review as FinishedReview
from prreview_cli.store import open_store
from prreview_cli.store.leases import LOOKS
from prreview_cli.store.memory import MemoryStore
from prreview_cli.store.sqlite import SqliteStore, open_sqlite
from support.clocks import FakeClock

STORES = ["memory", "sqlite"]
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
OWNER = {"environment": "test", "host": "github https://api.github.com"}
REVIEW = FinishedReview(
    status=ReviewStatus.COMPLETE,
    environment="test",
    repository="octo/demo",
    repository_id=7,
    number=1,
    run=0,
    base_sha="b" * 40,
    reviewed_sha="a" * 40,
    contract_version="1",
    guidelines_version=None,
    model="claude",
    summary="It says “hello”; DROP TABLE job; \ud800",
    findings=(Finding("a.py", 3, Severity.ERROR, "It divides by zero", "Each call does."),),
    coverage=Coverage(("a.py",)),
    usage=Usage(10, 5, 0.25, 2),
)


def sha(name: str) -> str:
    """A head's SHA from a short name."""
    return (name.encode().hex() + "0" * 40)[:40]


def target(head: str = "a", **changes: Any) -> Target:
    """A head of octo/demo#1 that should be reviewed."""
    given = Target(
        repository_id=7,
        repository="octo/demo",
        number=1,
        head_sha=sha(head),
        base_ref="main",
        updated_at=NOON,
        author="alice",
        admitted=True,
    )
    return replace(given, **changes)


def delivery(decision: Decision, received: datetime, name: str = "d-1") -> Delivery:
    """The delivery that led to a decision."""
    match decision:
        case Review(target=wanted):
            return Delivery(
                name, "pull_request", "synchronize", received, wanted.repository_id, wanted.repository, wanted.number, wanted.head_sha
            )
        case Cancel():
            return Delivery(name, "pull_request", "closed", received, decision.repository_id, decision.repository, decision.number)
        case Ignore():
            return Delivery(name, "ping", None, received)


def sqlite_url(path: Path) -> str:
    """As a profile writes it."""
    return f"sqlite:///{path}"


async def opened_sqlite(path: Path, clock: Clock | None = None, **changes: Any) -> SqliteStore:
    """A store on this file, with its own type, for tests that look inside."""
    given: dict[str, Any] = {**OWNER, "clock": clock or FakeClock(), "busy_timeout_ms": 10_000, **changes}
    return await open_sqlite(path, **given)


class Bench:
    """A store and a time. `now` moves only by `later`; events carry it as their own time."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.jobs = store.jobs
        self.clock = clock
        self.now = NOON

    def later(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    async def silence(self, seconds: float, max_attempts: int = 5) -> list[Job]:
        """So long nobody renews anything, while somebody looks on: what was taken back by the end. It begins with a look."""
        rescued = await self.jobs.rescue(max_attempts, self.now)
        step = seconds / LOOKS + 0.001  # thirds do not add up
        for _ in range(LOOKS):
            await self.clock.advance(step)
            rescued += await self.jobs.rescue(max_attempts, self.later(step))
        return rescued

    async def accept(self, decision: Decision, interval: float = 0.0, name: str = "d-1") -> Answer:
        return await self.jobs.accept(delivery(decision, self.now, name), decision, interval, self.now)

    async def push(self, head: str = "a", interval: float = 0.0, **changes: Any) -> Answer:
        return await self.accept(Review(target(head, **{"updated_at": self.now, **changes})), interval)

    async def pushed(self, head: str = "a", interval: float = 0.0, **changes: Any) -> str:
        """Push, and the job that was made or revived for it."""
        answer = await self.push(head, interval, **changes)
        assert answer.status == "queued", answer
        assert answer.job is not None
        return answer.job

    async def close_pull(self, reason: str = "The pull request was closed.", at: datetime | None = None) -> Answer:
        return await self.accept(Cancel(7, "octo/demo", 1, at or self.now, reason))

    async def claim(self, worker: str = "w1", reviews: int = 4, per_repository: int = 0, lease_s: float = 30.0) -> Lease | None:
        return await self.jobs.claim(worker, Capacity(reviews, per_repository), lease_s, self.now)

    async def claimed(self, worker: str = "w1", **how: Any) -> Lease:
        lease = await self.claim(worker, **how)
        assert lease is not None
        return lease

    async def settle(self, lease: Lease, outcome: Outcome, cost: AttemptCost | None = None) -> bool:
        return await self.jobs.settle(lease, outcome, cost or AttemptCost(), self.now)

    async def posted(self, head: str = "a", interval: float = 0.0, **changes: Any) -> str:
        """A job that was reviewed and posted."""
        job = await self.pushed(head, interval, **changes)
        lease = await self.claimed()
        await self.jobs.begin(lease, self.now)
        assert await self.settle(lease, Posted("r-1"))
        return job

    async def job(self, job_id: str | None) -> Job:
        assert job_id is not None
        job = await self.jobs.get(job_id)
        assert job is not None
        return job

    async def state(self, job_id: str | None) -> State:
        return (await self.job(job_id)).state


@asynccontextmanager
async def bench(kind: str, folder: Path) -> AsyncIterator[Bench]:
    """A fresh store of this kind."""
    clock = FakeClock()
    store: Store = MemoryStore(clock) if kind == "memory" else await open_store(sqlite_url(folder / "q.db"), clock=clock, **OWNER)
    try:
        yield Bench(store, clock)
    finally:
        await store.close()
