"""What a digest asks of the store (`Jobs.ended`, `Spend.by_day`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from prreview_cli.core.job import AttemptCost, Dead, Posted, Retry, Skipped, State
from prreview_cli.core.ports.store import Caps, Ended, gist_of
from prreview_cli.core.review import Usage
from support.stores import NOON, REVIEW, STORES, Bench, bench

CAPS = Caps(review=10.0, pull_request=10.0, day=10.0)
LONG_AGO = NOON - timedelta(days=400)


@pytest.fixture(params=STORES)
async def at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


async def ended(at: Bench) -> list[Ended]:
    """All that has ended so far."""
    return await at.jobs.ended(LONG_AGO, at.now + timedelta(milliseconds=1))


async def test_what_came_to_rest_in_the_period_is_told_in_that_order(at: Bench) -> None:
    await at.pushed("a", number=1)
    await at.pushed("a", number=2)
    await at.pushed("a", number=3)
    first, second = await at.claimed(), await at.claimed()
    at.later(10)
    await at.settle(second, Skipped("The pull request is closed."))
    at.later(10)
    await at.settle(first, Posted("r-1"))

    told = await ended(at)

    assert [each.job.state for each in told] == [State.SKIPPED, State.POSTED]
    assert told[1].job == await at.job(first.job.id)
    assert told[1].job.created == NOON


async def test_the_period_begins_with_its_first_instant_and_ends_before_its_last(at: Bench) -> None:
    await at.posted("a")
    end = at.now
    assert len(await at.jobs.ended(end, end + timedelta(seconds=1))) == 1
    assert await at.jobs.ended(end - timedelta(seconds=1), end) == []
    assert await at.jobs.ended(end + timedelta(seconds=1), end) == []


async def test_a_job_that_waits_or_runs_again_has_not_ended(at: Bench) -> None:
    job = await at.pushed("a")
    await at.settle(await at.claimed(), Dead("turn_limit", "It used all its turns."))
    assert [each.job.failure for each in await ended(at)] == ["turn_limit"]
    at.later(10)
    await at.jobs.retry(job, at.now)
    assert await ended(at) == []
    at.later(10)
    lease = await at.claimed()
    assert await ended(at) == []
    await at.settle(lease, Posted("r-1"))
    (told,) = await ended(at)
    assert (told.job.id, told.job.state, told.failures) == (job, State.POSTED, ("turn_limit",))


async def test_all_attempts_count_and_the_review_comes_without_its_texts(at: Bench) -> None:
    await at.pushed("a")
    for failure in ("host_unreachable", "model_overloaded"):
        lease = await at.claimed()
        reservation = await at.store.spend.reserve(lease, 1.0, CAPS, at.now)
        await at.store.spend.settle(reservation, Usage(100, 20, 0.25, 1), 200, at.now)
        await at.settle(lease, Retry(failure, "Later.", at.later(1)), AttemptCost(1, 0.25))
    lease = await at.claimed()
    await at.store.reviews.store(lease, replace(REVIEW, guidelines_version="abc"), at.now)
    await at.settle(lease, Posted("r-1"))

    (told,) = await ended(at)

    assert told.usage == Usage(200, 40, 0.5, 2)
    assert told.failures == ("host_unreachable", "model_overloaded")
    assert told.review == gist_of(replace(REVIEW, guidelines_version="abc"))
    assert told.review.findings == {"error": 1, "warning": 0, "info": 0}


async def test_a_job_without_attempts_cost_or_review_is_told_too(at: Bench) -> None:
    await at.pushed("a")
    await at.close_pull()
    (told,) = await ended(at)
    assert (told.job.state, told.usage, told.failures, told.review) == (State.SKIPPED, Usage(), (), None)


async def test_what_was_pruned_is_gone(at: Bench) -> None:
    await at.posted("a")
    await at.jobs.prune(at.later(10), 100)
    assert await ended(at) == []


async def test_the_bill_is_told_by_utc_day(at: Bench) -> None:
    spend = at.store.spend
    for hours, usd in ((0, 0.5), (11.9, 0.25), (0.2, 1.0), (72, 2.0)):
        await spend.reserve(None, usd, CAPS, at.later(hours * 3600))

    day = date(2026, 11, 24)
    assert await spend.by_day(day, day) == {day: 0.75}
    assert await spend.by_day(day, day + timedelta(days=3)) == {day: 0.75, date(2026, 11, 25): 1.0}
    assert await spend.by_day(date(1960, 1, 1), date(2100, 1, 1)) == {day: 0.75, date(2026, 11, 25): 1.0, date(2026, 11, 28): 2.0}
    assert await spend.by_day(day + timedelta(days=3), day) == {}
