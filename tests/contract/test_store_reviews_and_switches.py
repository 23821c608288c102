"""Stored reviews, the kill switch and the pools (`Reviews`, `Switches`, `Pools`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from prreview_cli.core.job import Dead, HandBack, Posted
from prreview_cli.core.ports.store import Beat, Pause
from support.stores import NOON, REVIEW, STORES, Bench, bench


@pytest.fixture(params=STORES)
async def at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


async def test_a_stored_review_is_found_and_marks_its_job(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    assert await at.store.reviews.of(job) is None

    assert await at.store.reviews.store(lease, REVIEW, at.now)

    assert await at.store.reviews.of(job) == REVIEW
    assert (await at.job(job)).reviewed


async def test_storing_twice_keeps_the_last(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.store.reviews.store(lease, REVIEW, at.now)
    assert await at.store.reviews.store(lease, replace(REVIEW, summary="Another."), at.now)

    stored = await at.store.reviews.of(job)
    assert stored is not None
    assert stored.summary == "Another."


async def test_a_lost_lease_stores_nothing(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.settle(lease, HandBack("A drain."))

    assert not await at.store.reviews.store(lease, REVIEW, at.now)
    assert await at.store.reviews.of(job) is None
    assert not (await at.job(job)).reviewed


async def test_a_superseded_worker_may_still_keep_what_it_paid_for(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.push("b")

    assert await at.store.reviews.store(lease, REVIEW, at.now)
    assert await at.store.reviews.of(job) == REVIEW


async def test_a_posted_review_carries_its_id(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.store.reviews.store(lease, REVIEW, at.now)
    await at.settle(lease, Posted("r-77"))

    assert await at.store.reviews.of(job) == REVIEW.posted_as("r-77")


async def test_a_review_outlives_its_job_until_it_is_old_enough(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.store.reviews.store(lease, REVIEW, at.now)
    stored = at.now
    assert await at.settle(lease, Posted("r-1"))
    later = at.later(60)

    assert await at.store.reviews.prune(later, 5) == 0, "its job may still ask for it"
    assert await at.jobs.prune(later + timedelta(seconds=1), 5) == 2
    assert await at.store.reviews.prune(stored, 5) == 0
    assert await at.store.reviews.of(job) is not None
    assert [await at.store.reviews.prune(later, limit) for limit in (0, 5, 5)] == [0, 1, 0]
    assert await at.store.reviews.of(job) is None


async def test_an_adopted_review_needs_none_of_our_own(at: Bench) -> None:
    job = await at.pushed("a")
    await at.settle(await at.claimed(), Posted("r-77", "It stood there already."))

    assert await at.store.reviews.of(job) is None


async def test_a_revived_job_uses_its_review_unless_the_base_is_another(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.store.reviews.store(lease, REVIEW, at.now)
    await at.settle(lease, Dead("post_refused", "422."))

    assert await at.pushed("a") == job
    assert (await at.job(job)).reviewed
    await at.settle(await at.claimed(), Dead("post_refused", "422."))
    assert await at.pushed("a", base_ref="next") == job
    assert not (await at.job(job)).reviewed


async def test_a_further_run_starts_without_a_review(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    await at.store.reviews.store(lease, REVIEW, at.now)
    await at.settle(lease, Posted("r-1"))

    further = await at.pushed("a", again=True)

    assert not (await at.job(further)).reviewed
    assert await at.store.reviews.of(further) is None


# -- the kill switch ----------------------------------------------------------------------------------


async def test_the_first_reason_of_a_pause_stands(at: Bench) -> None:
    switches = at.store.switches
    assert await switches.paused(at.now) is None

    assert await switches.pause("The key was revoked.", at.now)
    at.later(5)
    assert not await switches.pause("By hand.", at.now)

    assert await switches.paused(at.now) == Pause("The key was revoked.", NOON, None)


async def test_a_pause_by_hand_outlasts_the_days_that_was_there_before(at: Bench) -> None:
    switches, midnight = at.store.switches, at.now + timedelta(hours=12)
    await switches.pause("The day's budget is spent.", at.now, midnight)
    assert not await switches.pause("The day's budget is spent.", at.now, midnight)
    assert await switches.pause("By hand.", at.later(1))
    assert not await switches.pause("The day's budget is spent.", at.now, midnight)
    assert await switches.paused(midnight) == Pause("By hand.", at.now, None)


async def test_resume_returns_the_pause_that_ended(at: Bench) -> None:
    switches = at.store.switches
    await switches.pause("By hand.", at.now)

    assert await switches.resume(at.now) == Pause("By hand.", NOON)
    assert await switches.resume(at.now) is None
    assert await switches.paused(at.now) is None


async def test_a_pause_with_an_end_is_over_by_itself(at: Bench) -> None:
    switches = at.store.switches
    until = at.now + timedelta(hours=1)
    await switches.pause("The day's budget is spent.", at.now, until)

    assert await switches.paused(until - timedelta(milliseconds=1)) == Pause("The day's budget is spent.", NOON, until)
    assert await switches.paused(until) is None
    assert await switches.resume(until) is None
    await switches.pause("One.", at.now, until)
    assert await switches.pause("Two.", until)
    assert await switches.paused(until) == Pause("Two.", until)


async def test_the_login_is_remembered(at: Bench) -> None:
    assert await at.store.switches.own_login() is None
    await at.store.switches.remember_login("first[bot]")
    await at.store.switches.remember_login("prreview[bot]")
    assert await at.store.switches.own_login() == "prreview[bot]"


# -- pools ---------------------------------------------------------------------------------------------


async def test_a_pool_is_alive_as_long_as_it_has_beaten_lately(at: Bench) -> None:
    pools = at.store.pools
    await pools.beat(Beat("w1", 100, 4, NOON, 2))
    await pools.beat(Beat("w2/../../x", 101, 2, NOON + timedelta(seconds=5), 0))
    await pools.beat(Beat("w1", 100, 4, NOON + timedelta(seconds=3), 1))

    assert await pools.alive(NOON) == [
        Beat("w1", 100, 4, NOON + timedelta(seconds=3), 1),
        Beat("w2/../../x", 101, 2, NOON + timedelta(seconds=5), 0),
    ]
    assert [beat.worker for beat in await pools.alive(NOON + timedelta(seconds=4))] == ["w2/../../x"]
    assert await pools.alive(NOON + timedelta(seconds=6)) == []


async def test_a_pool_that_has_left_is_gone(at: Bench) -> None:
    await at.store.pools.beat(Beat("w1", 100, 4, NOON, 0))
    await at.store.pools.leave("w1")
    await at.store.pools.leave("w1")

    assert await at.store.pools.alive(NOON) == []
    await at.store.pools.beat(Beat("w1", 100, 4, NOON, 0))
    assert len(await at.store.pools.alive(NOON)) == 1


async def test_a_live_pool_is_not_rescued_before_its_leases_expire(at: Bench) -> None:
    await at.store.pools.beat(Beat("w1", 100, 4, NOON, 0))
    await at.pushed("a")
    await at.claimed("w1", lease_s=30)

    assert await at.silence(27) == []
    assert len(await at.silence(3)) == 1, "a lease that is over counts even if the lock is held"
