"""Looking at the queue, clearing it, hearing of changes (`Jobs.get`, `list`, `history`, `depth`, `prune`; `Store`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from prreview_cli.core.events import Ignore
from prreview_cli.core.job import Defer, Posted, Skipped, State
from support.clocks import settled
from support.stores import NOON, REVIEW, STORES, Bench, bench


@pytest.fixture(params=STORES)
async def at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


async def test_jobs_are_listed_newest_first(at: Bench) -> None:
    ids = [await at.pushed("a", number=number) for number in range(1, 6)]
    taken = (await at.claimed()).job.id
    waiting = [job for job in reversed(ids) if job != taken]

    assert [job.id for job in await at.jobs.list([], None)] == list(reversed(ids))
    assert [job.id for job in await at.jobs.list([], 2)] == list(reversed(ids))[:2]
    assert [job.id for job in await at.jobs.list([State.QUEUED], None)] == waiting
    assert [job.id for job in await at.jobs.list([State.RUNNING, State.QUEUED], 3)] == list(reversed(ids))[:3]
    assert await at.jobs.list([State.DEAD], None) == []
    assert sorted(ids) == ids, "ids sort by age"


async def test_the_history_is_all_of_one_pull_request_oldest_first(at: Bench) -> None:
    await at.posted("a", repository="Octo/Demo")
    await at.push("b", repository="octo/demo")
    await at.push("a", number=2)
    await at.push("a", repository_id=8, repository="octo/demo2")
    await at.settle(await at.claimed(), Posted("r-2"))

    history = await at.jobs.history("OCTO/demo", 1)

    assert [job.run for job in history.jobs] == [0, 0]
    assert [job.created for job in history.jobs] == sorted(job.created for job in history.jobs)
    assert {job.number for job in history.jobs} == {1}
    assert [record.answer.job for record in history.deliveries] == [job.id for job in history.jobs]
    assert [attempt.job for attempt in history.attempts] == [history.jobs[0].id, history.jobs[1].id]
    empty = await at.jobs.history("octo/unknown", 1)
    assert (empty.deliveries, empty.jobs, empty.attempts) == ([], [], [])


async def test_the_depth_counts_every_state_and_finds_the_longest_waiting(at: Bench) -> None:
    empty = await at.jobs.depth(at.now)
    assert (set(empty.by_state), sum(empty.by_state.values()), empty.oldest_due) == (set(State), 0, None)

    await at.posted("a", number=1)
    await at.pushed("a", number=2)
    at.later(5)
    await at.settle(await at.claimed(), Defer("Later.", at.now + timedelta(seconds=60)))
    at.later(5)
    await at.pushed("a", number=3)

    depth = await at.jobs.depth(at.now)
    counted = {state: jobs for state, jobs in depth.by_state.items() if jobs}
    assert counted == {State.POSTED: 1, State.SCHEDULED: 1, State.QUEUED: 1}
    assert depth.oldest_due == NOON + timedelta(seconds=10), "what is not due yet does not wait"
    at.later(60)
    await at.claimed(reviews=1)
    assert (await at.jobs.depth(at.now)).oldest_due == NOON + timedelta(seconds=65)


async def test_pruning_deletes_what_is_old_and_at_rest_in_bounded_steps(at: Bench) -> None:
    old = await at.posted("a", number=1)
    waiting = await at.pushed("a", number=2)
    await at.accept(Ignore("A ping."))
    at.later(100)
    recent = await at.pushed("a", number=3, priority=1)
    await at.settle(await at.claimed(), Posted("r-3"))
    before = NOON + timedelta(seconds=50)

    assert await at.jobs.prune(before, 2) == 2
    assert await at.jobs.get(old) is not None, "deliveries go first"
    assert await at.jobs.prune(before, 100) == 2
    assert await at.jobs.prune(before, 100) == 0

    assert await at.jobs.get(old) is None
    assert (await at.jobs.history("octo/demo", 1)).attempts == []
    assert (await at.state(waiting), await at.state(recent)) == (State.QUEUED, State.POSTED)
    assert len((await at.jobs.history("octo/demo", 3)).deliveries) == 1


async def test_pruning_keeps_reviews_and_what_is_known_of_the_pull_request(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.store.reviews.store(lease, REVIEW, at.now)
    await at.settle(lease, Posted("r-1"))
    at.later(10)

    assert await at.jobs.prune(at.now, 100) == 2

    assert await at.store.reviews.of(job) == REVIEW.posted_as("r-1")
    late = await at.push("b", updated_at=NOON - timedelta(days=1))
    assert late.status == "superseded"
    assert await at.pushed("c") != job, "an id is given once"


async def test_changed_returns_at_once_for_what_came_after_the_last_look(at: Bench) -> None:
    await at.store.changed(0)
    assert await at.claim() is None
    await at.push("a")

    await asyncio.wait_for(at.store.changed(3600), 5)


async def test_changed_wakes_whoever_waits(at: Bench) -> None:
    await at.claim()
    waiting = [asyncio.ensure_future(at.store.changed(3600)) for _ in range(3)]
    await settled()

    await at.push("a")

    await asyncio.wait_for(asyncio.gather(*waiting), 5)


async def test_changed_returns_when_the_time_is_over(at: Bench) -> None:
    await at.claim()
    await at.store.changed(0)
    waiting = asyncio.ensure_future(at.store.changed(2))
    while not waiting.done():
        await at.clock.advance(0.5)
        await asyncio.wait({waiting}, timeout=0.05)

    assert at.clock.monotonic() >= 2


async def test_a_healthy_store_is_writable(at: Bench) -> None:
    await at.store.check_writable()


async def test_closing_twice_does_no_harm(at: Bench) -> None:
    await at.store.close()
    await at.store.close()


async def test_the_time_of_posted_holds_is_counted_and_no_others(at: Bench) -> None:
    endings = [(0.5, Posted("1")), (3.0, Posted("2")), (7200.0, Posted("3")), (3.0, Skipped("Closed."))]
    for number, (seconds, outcome) in enumerate(endings, 1):
        await at.push("a", number=number)
        lease = await at.claimed()
        at.later(seconds)
        await at.settle(lease, outcome)

    durations = await at.jobs.review_seconds()

    assert (durations.counts[0], durations.counts[-1], sum(durations.counts), durations.total_s) == (2, 1, 3, 7203.5)
