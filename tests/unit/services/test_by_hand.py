"""Retrying and cancelling by hand: what is done, and why it sometimes is not."""

from __future__ import annotations

import pytest

from prreview_cli.core.errors import UsageError
from prreview_cli.core.job import Dead, Posted, State
from prreview_cli.services import by_hand
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock
from support.stores import Bench


@pytest.fixture
def at() -> Bench:
    clock = FakeClock()
    return Bench(MemoryStore(clock), clock)


async def dead(at: Bench, head: str = "a", **changes: object) -> str:
    job = await at.pushed(head, **changes)
    assert await at.settle(await at.claimed(), Dead("turn_limit", "30 turns."))
    return job


async def refused(at: Bench, job: str) -> UsageError:
    before = await at.jobs.list([], None)
    with pytest.raises(UsageError) as caught:
        await by_hand.retry(at.store, job, at.now)
    assert await at.jobs.list([], None) == before, "a refusal changes nothing"
    return caught.value


async def test_a_dead_job_is_queued_with_all_its_attempts(at: Bench) -> None:
    job = await dead(at)
    queued = await by_hand.retry(at.store, job, at.now)
    assert (queued.id, queued.state, queued.attempts, queued.failure) == (job, State.QUEUED, 0, None)


async def test_a_job_of_an_older_head_is_refused_and_the_newer_one_named(at: Bench) -> None:
    old = await dead(at, "a")
    newer = await dead(at, "b")
    error = await refused(at, old)
    assert newer in str(error)
    assert f"jobs retry {newer}" in error.remedy
    await by_hand.retry(at.store, newer, at.now)
    assert "on its way" in (await refused(at, old)).remedy
    await at.settle(await at.claimed(), Posted("r-1"))
    assert "has its review" in (await refused(at, old)).remedy


async def test_a_head_that_was_pushed_away_and_back_may_be_retried(at: Bench) -> None:
    old = await dead(at, "a")
    await dead(at, "b")
    assert await dead(at, "a") == old
    assert (await by_hand.retry(at.store, old, at.now)).state is State.QUEUED


async def test_a_further_run_of_the_same_head_leaves_the_dead_one_to_the_store(at: Bench) -> None:
    await at.posted("a")
    again = await dead(at, "a", again=True)
    assert (await by_hand.retry(at.store, again, at.now)).run == 1


async def test_what_is_reviewed_waiting_or_unknown_is_refused_with_what_to_do(at: Bench) -> None:
    posted = await at.posted("a")
    assert "--again" in (await refused(at, posted)).remedy
    waiting = await at.pushed("a", number=2)
    assert "needs no retry" in str(await refused(at, waiting))
    assert "jobs list" in (await refused(at, "j99999999")).remedy


async def test_cancelling_skips_what_waits_and_stops_what_runs(at: Bench) -> None:
    waiting = await at.pushed("a")
    assert (await by_hand.cancel(at.store, waiting, "Too large.", at.now)).reason == "Too large."
    with pytest.raises(UsageError, match="skipped already"):
        await by_hand.cancel(at.store, waiting, "Too large.", at.now)
    await at.pushed("b")
    lease = await at.claimed()
    assert (await by_hand.cancel(at.store, lease.job.id, "Too large.", at.now)).state is State.RUNNING
    assert await at.jobs.standing(lease) == "cancelled"
