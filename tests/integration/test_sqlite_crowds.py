"""Many at once on one database: a flood from one repository, and an operator's hand beside working workers."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from prreview_cli.core.job import WAITING, Dead, HandBack, Lease, Outcome, Posted, Retry, Skipped, State
from prreview_cli.store.sqlite import SqliteStore
from prreview_cli.store.sqlite.requests import request
from prreview_cli.store.sqlite.rows import millis
from support.clocks import FakeClock
from support.stores import NOON, Bench, opened_sqlite, target

FLOOD = 10_000


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await opened_sqlite(tmp_path / "q.db")
    yield opened
    await opened.close()


async def flooded(store: SqliteStore) -> Bench:
    """Ten thousand jobs of repository 7, five of which have been done, and then three of repository 8."""
    at = Bench(store, FakeClock())

    def flood(db: object) -> None:
        for number in range(1, FLOOD + 1):
            request(db, target("a", number=number), 0, millis(NOON))  # type: ignore[arg-type]

    await store._database.write(flood)
    for _ in range(5):
        await at.settle(await at.claimed(), Posted("r"))
    for number in range(1, 4):
        await at.pushed("a", repository_id=8, repository="octo/other", number=number)
    return at


async def test_after_a_flood_of_ten_thousand_anothers_three_run_interleaved_at_once(store: SqliteStore) -> None:
    at = await flooded(store)

    order = []
    for _ in range(6):
        lease = await at.claimed()
        order.append(lease.job.repository_id)
        await at.settle(lease, Posted("r"))

    assert order == [7, 8, 7, 8, 7, 8]


async def test_a_flooding_repository_fills_its_own_bound_and_no_more(store: SqliteStore) -> None:
    at = await flooded(store)

    held = [await at.claim(reviews=8, per_repository=2) for _ in range(6)]

    leases = [lease for lease in held if lease is not None]
    assert Counter(lease.job.repository_id for lease in leases) == {7: 2, 8: 2}
    of_other = next(lease for lease in leases if lease.job.repository_id == 8)
    await at.settle(of_other, Posted("r"))
    assert (await at.claimed(reviews=8, per_repository=2)).job.repository_id == 8
    assert await at.claim(reviews=8, per_repository=2) is None


def meddle(path: Path, jobs: list[str], over: threading.Event, done: Counter[str]) -> None:
    """An operator in a process-like place of his own: cancels and retries at random until told that it is over."""
    chance = random.Random(1)

    async def run() -> None:
        own = await opened_sqlite(path)
        while not over.is_set():
            job = chance.choice(jobs)
            if chance.random() < 0.5:
                done["cancelled"] += await own.jobs.cancel(job, "By hand.", NOON) is not None
            else:
                done["retried"] += await own.jobs.retry(job, NOON) is not None
        await own.close()

    asyncio.run(run())


async def work(at: Bench, name: str, seed: int, posted: Counter[str], meddled: Counter[str]) -> None:
    """A worker that ends its holds in every way, while an operator meddles; what it says it has posted is counted."""
    chance = random.Random(seed)
    others: list[Outcome] = [Retry("model_overloaded", "529", NOON), HandBack("A drain."), Dead("internal", "No.")]
    for round_number in count():
        if round_number >= 120 and meddled["cancelled"] and meddled["retried"]:
            return
        lease = await at.claim(name)
        if lease is None:
            continue
        await asyncio.gather(*(at.jobs.standing(lease) for _ in range(chance.randrange(3))))
        await end(at, lease, chance.choice([Posted("r-1"), *others * 4]), posted)


async def end(at: Bench, lease: Lease, outcome: Outcome, posted: Counter[str]) -> None:
    if await at.jobs.begin(lease, NOON) != "held":
        outcome = Skipped("It was told to stop.")
    if await at.settle(lease, outcome) and isinstance(outcome, Posted):
        posted[lease.job.id] += 1


async def test_cancelling_and_retrying_beside_working_workers_breaks_no_law(store: SqliteStore, tmp_path: Path) -> None:
    at = Bench(store, FakeClock())
    jobs = [await at.pushed("a", number=number) for number in range(1, 9)]
    over, posted, meddled = threading.Event(), Counter[str](), Counter[str]()
    meddling = asyncio.ensure_future(asyncio.to_thread(meddle, tmp_path / "q.db", jobs, over, meddled))
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(work(at, f"w{seed}", seed, posted, meddled) for seed in range(3)))
    finally:
        over.set()
        await meddling

    for number, job_id in enumerate(jobs, 1):
        history = await at.jobs.history("octo/demo", number)
        [job] = history.jobs
        assert [attempt.claim for attempt in history.attempts] == list(range(1, job.claim + 1))
        assert all(attempt.ended is not None for attempt in history.attempts), "each hold was ended, once"
        assert posted[job_id] == sum(attempt.outcome == "posted" for attempt in history.attempts) == (job.state is State.POSTED)
    found = await at.jobs.list([*WAITING], None)
    assert len({job.number for job in found}) == len(found)
    assert await at.jobs.list([State.RUNNING], None) == []
