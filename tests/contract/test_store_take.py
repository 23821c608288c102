"""`Jobs.take`: one head's job, taken past the queue, under the bounds of every claim."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from prreview_cli.core.events import Answer, AnswerStatus
from prreview_cli.core.job import HandBack, Lease, Outcome, Posted, Retry, Skipped, Standing, State
from prreview_cli.core.ports.store import Capacity
from support.stores import NOON, REVIEW, STORES, Bench, bench, target


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


async def take(
    store: Bench, head: str = "a", reviews: int = 4, per_repository: int = 0, interval: float = 0.0, **changes: object
) -> Lease | Answer | None:
    wanted = target(head, **{"updated_at": store.now, **changes})
    return await store.jobs.take(wanted, "hand", Capacity(reviews, per_repository), interval, 30.0, store.now)


async def taken(store: Bench, head: str = "a", **changes: object) -> Lease:
    lease = await take(store, head, **changes)  # type: ignore[arg-type]
    assert isinstance(lease, Lease)
    return lease


async def test_a_head_that_nobody_asked_for_is_made_and_held_at_once(store: Bench) -> None:
    lease = await taken(store)
    assert (lease.job.state, lease.job.claim, lease.worker) == (State.RUNNING, 1, "hand")
    assert await store.jobs.standing(lease) is Standing.HELD
    assert await store.claim() is None
    [attempt] = (await store.jobs.history("octo/demo", 1)).attempts
    assert (attempt.worker, attempt.outcome) == ("hand", None)


async def test_a_queued_job_of_the_head_is_the_one_that_is_taken(store: Bench) -> None:
    job = await store.pushed()
    lease = await taken(store)
    assert lease.job.id == job
    assert await store.claim() is None


async def test_without_room_nothing_is_taken_and_nothing_is_left_to_a_pool(store: Bench) -> None:
    await store.pushed("b", number=2)
    other = await store.claimed()
    assert await take(store, reviews=1) is None
    assert await take(store, per_repository=1) is None
    assert [job.id for job in await store.jobs.list([], None)] == [other.job.id]
    assert await store.claim() is None
    await store.settle(other, Posted("r-1"))
    await taken(store, reviews=1)


async def test_a_paused_profile_gives_no_job_away(store: Bench) -> None:
    await store.store.switches.pause("The key was refused.", store.now)
    assert await take(store) is None
    assert await store.jobs.list([], None) == []


async def test_while_another_head_of_the_pull_request_runs_nothing_changes(store: Bench) -> None:
    await store.pushed("a")
    running = await store.claimed()
    store.later(1)
    assert await take(store, "b") is None
    assert await store.jobs.standing(running) is Standing.HELD
    assert len(await store.jobs.list([], None)) == 1


async def test_a_head_that_runs_or_is_posted_is_answered_and_not_taken(store: Bench) -> None:
    job = await store.pushed()
    lease = await store.claimed()
    answer = await take(store, reviews=1)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.job) == (AnswerStatus.DUPLICATE, job)
    await store.settle(lease, Posted("r-1"))
    answer = await take(store)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.job) == (AnswerStatus.DUPLICATE, job)


async def test_a_job_that_waits_for_its_next_attempt_is_not_taken_before_its_time(store: Bench) -> None:
    job = await store.pushed()
    due = store.clock.now().replace(hour=13)
    await store.settle(await store.claimed(), Retry("host_rate_limited", "Later.", due))
    answer = await take(store)
    assert isinstance(answer, Answer)
    assert answer.job == job
    assert await store.state(job) is State.SCHEDULED


async def test_again_takes_a_further_run_of_a_posted_head(store: Bench) -> None:
    first = await store.posted()
    lease = await taken(store, again=True)
    assert (lease.job.run, lease.job.id != first) == (1, True)


async def test_somebody_who_waits_is_not_held_back_by_the_interval(store: Bench) -> None:
    await store.posted(interval=600.0)
    store.later(1)
    lease = await taken(store, "b", interval=600.0)
    assert lease.job.state is State.RUNNING


async def test_an_older_head_is_answered_as_superseded(store: Bench) -> None:
    before = store.now
    store.later(10)
    await store.pushed("b")
    answer = await take(store, "a", updated_at=before)
    assert isinstance(answer, Answer)
    assert answer.status is AnswerStatus.SUPERSEDED


async def test_a_skipped_job_is_taken_again_with_its_stored_review(store: Bench) -> None:
    lease = await taken(store)
    assert await store.store.reviews.store(lease, REVIEW, store.now)
    await store.settle(lease, Skipped("The review was not to be posted."))
    again = await taken(store)
    assert (again.job.id, again.job.reviewed, again.job.claim) == (lease.job.id, True, 2)


async def test_of_many_takers_of_one_head_one_holds_it(store: Bench) -> None:
    outcomes = await asyncio.gather(*(take(store) for _ in range(8)))
    assert sum(isinstance(outcome, Lease) for outcome in outcomes) == 1
    assert len(await store.jobs.list([], None)) == 1


@pytest.mark.parametrize(
    ("ended", "failure"),
    [
        (HandBack("It was interrupted."), None),
        (Retry("host_unreachable", "It was interrupted.", NOON + timedelta(hours=1)), "host_unreachable"),
    ],
)
async def test_a_job_that_only_its_holder_asked_for_is_left_to_no_pool(store: Bench, ended: Outcome, failure: str | None) -> None:
    lease = await taken(store)
    await store.settle(lease, ended)
    job = await store.job(lease.job.id)
    assert (job.state, job.reason, job.failure) == (State.SKIPPED, "It was interrupted.", failure)
    assert await store.claim() is None


async def test_nor_is_one_whose_holder_died(store: Bench) -> None:
    lease = await taken(store)
    [job] = await store.silence(31)
    assert (job.id, job.state, job.attempts) == (lease.job.id, State.SKIPPED, 1)


async def test_a_job_that_a_delivery_asks_for_meanwhile_goes_to_the_pools(store: Bench) -> None:
    lease = await taken(store)
    assert (await store.push()).status is AnswerStatus.DUPLICATE
    await store.settle(lease, HandBack("It was interrupted."))
    assert (await store.claimed()).job.id == lease.job.id


async def test_a_second_taker_of_the_same_head_does_not_send_it_to_the_pools(store: Bench) -> None:
    lease = await taken(store)
    assert isinstance(await take(store), Answer)
    await store.settle(lease, HandBack("It was interrupted."))
    assert await store.state(lease.job.id) is State.SKIPPED


async def test_a_job_that_waited_before_it_was_taken_waits_again(store: Bench) -> None:
    job = await store.pushed()
    await store.settle(await taken(store), HandBack("It was interrupted."))
    assert (await store.claimed()).job.id == job


async def test_an_operators_retry_gives_such_a_job_to_the_pools(store: Bench) -> None:
    lease = await taken(store)
    await store.settle(lease, Skipped("The review was not to be posted."))
    assert await store.jobs.retry(lease.job.id, store.now) is not None
    await store.settle(await store.claimed(), HandBack("A drain."))
    assert (await store.claimed()).job.id == lease.job.id


async def test_a_taker_that_is_cancelled_while_it_takes_holds_nothing(store: Bench) -> None:
    taking = asyncio.ensure_future(take(store))
    begun = asyncio.Event()
    asyncio.get_running_loop().call_soon(begun.set)
    await begun.wait()
    taking.cancel()
    with suppress(asyncio.CancelledError):  # the memory store has taken it by then
        if isinstance(lease := await taking, Lease):
            await store.settle(lease, HandBack("It was interrupted."))
    assert await store.jobs.list([State.RUNNING, State.QUEUED], None) == []
