"""The bill (`Spend`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from prreview_cli.core.errors import Stopped
from prreview_cli.core.job import Dead, HandBack, Lease
from prreview_cli.core.ports.store import CapReached, Caps, Spend
from prreview_cli.core.review import Usage
from support.stores import NOON, STORES, Bench, bench


@pytest.fixture(params=STORES)
async def at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


CAPS = Caps(review=1.0, pull_request=2.0, day=3.0)


async def leased(at: Bench, head: str = "a", **changes: int) -> Lease:
    await at.pushed(head, **changes)
    return await at.claimed()


async def spent(spend: Spend, lease: Lease | None, usd: float, at: Bench) -> None:
    reservation = await spend.reserve(lease, usd, CAPS, at.now)
    await spend.settle(reservation, Usage(10, 5, usd, 1), 200, at.now)


async def test_a_reservation_counts_until_its_real_cost_is_known(at: Bench) -> None:
    spend, lease = at.store.spend, await leased(at)

    reservation = await spend.reserve(lease, 0.5, CAPS, at.now)
    assert await spend.today(at.now) == 0.5
    assert (await spend.of_job(lease.job.id)).usd == 0.5
    await spend.settle(reservation, Usage(100, 20, 0.0625, 1), 200, at.now)

    assert await spend.of_job(lease.job.id) == Usage(100, 20, 0.0625, 1)
    assert (await spend.today(at.now), await spend.total()) == (0.0625, 0.0625)


async def test_a_reservation_that_is_never_settled_counts_as_spent(at: Bench) -> None:
    spend, lease = at.store.spend, await leased(at)
    await spend.reserve(lease, 0.9, CAPS, at.now)

    with pytest.raises(CapReached) as refused:
        await spend.reserve(lease, 0.2, CAPS, at.now)

    assert (refused.value.cap, refused.value.limit, refused.value.spent) == ("review", 1.0, 0.9)
    assert (await spend.of_job(lease.job.id)).model_calls == 1


async def test_a_refused_reservation_reserves_nothing(at: Bench) -> None:
    spend, lease = at.store.spend, await leased(at)

    with pytest.raises(CapReached):
        await spend.reserve(lease, 1.01, CAPS, at.now)

    assert await spend.total() == 0
    assert await spend.of_job(lease.job.id) == Usage()


async def test_a_cap_may_be_reached_exactly(at: Bench) -> None:
    lease = await leased(at)
    for _ in range(10):
        await spent(at.store.spend, lease, 0.1, at)

    with pytest.raises(CapReached):
        await at.store.spend.reserve(lease, 0.000001, CAPS, at.now)


async def test_the_cap_of_a_review_counts_all_its_attempts(at: Bench) -> None:
    await spent(at.store.spend, lease := await leased(at), 0.8, at)
    await at.settle(lease, HandBack("A drain."))

    with pytest.raises(CapReached, match="a review"):
        await at.store.spend.reserve(await at.claimed(), 0.3, CAPS, at.now)


async def test_the_cap_of_a_pull_request_counts_all_its_jobs(at: Bench) -> None:
    for head in ("a", "b"):
        await spent(at.store.spend, lease := await leased(at, head), 0.9, at)
        await at.settle(lease, Dead("internal", "No."))

    with pytest.raises(CapReached) as refused:
        await at.store.spend.reserve(await leased(at, "c"), 0.3, CAPS, at.now)

    assert refused.value.cap == "pull_request"


async def test_the_cap_of_a_day_counts_everything_and_starts_anew_at_midnight_utc(at: Bench) -> None:
    spend = at.store.spend
    for number in range(1, 5):
        lease = await leased(at, number=number)
        if number < 4:
            await spent(spend, lease, 0.9, at)

    with pytest.raises(CapReached) as refused:
        await spend.reserve(lease, 0.4, CAPS, at.now)
    assert refused.value.cap == "day"
    assert await spend.today(at.now) == pytest.approx(2.7)

    midnight = NOON + timedelta(hours=12)
    with pytest.raises(CapReached):
        await spend.reserve(lease, 0.4, CAPS, midnight - timedelta(milliseconds=1))
    await spend.reserve(lease, 0.4, CAPS, midnight)
    assert await spend.today(midnight) == 0.4
    assert await spend.total() == pytest.approx(3.1)


async def test_a_call_is_on_the_bill_of_the_day_it_was_reserved_in(at: Bench) -> None:
    spend, lease = at.store.spend, await leased(at)
    reservation = await spend.reserve(lease, 0.5, CAPS, at.now)

    await spend.settle(reservation, Usage(usd=0.25, model_calls=1), 200, at.now + timedelta(days=1))

    assert (await spend.today(at.now), await spend.today(at.now + timedelta(days=1))) == (0.25, 0)


async def test_a_probe_counts_for_the_day_alone(at: Bench) -> None:
    spend = at.store.spend
    await spent(spend, None, 2.5, at)

    lease = await leased(at)
    await spend.reserve(lease, 0.5, CAPS, at.now)
    with pytest.raises(CapReached) as refused:
        await spend.reserve(None, 0.1, CAPS, at.now)
    assert refused.value.cap == "day"


async def test_concurrent_reservations_never_exceed_a_cap_together(at: Bench) -> None:
    lease = await leased(at)

    outcomes = await asyncio.gather(*(at.store.spend.reserve(lease, 0.3, CAPS, at.now) for _ in range(10)), return_exceptions=True)

    assert sum(isinstance(outcome, str) for outcome in outcomes) == 3
    assert all(isinstance(outcome, str | CapReached) for outcome in outcomes)


async def test_a_job_taken_back_from_its_worker_spends_no_more(at: Bench) -> None:
    lease = await leased(at)
    await at.push("b")
    with pytest.raises(Stopped):
        await at.store.spend.reserve(lease, 0.1, CAPS, at.now)

    await at.settle(lease, HandBack("Told to stop."))
    with pytest.raises(Stopped):
        await at.store.spend.reserve(lease, 0.1, CAPS, at.now)
    assert await at.store.spend.total() == 0


async def test_a_call_under_way_is_settled_though_its_job_has_moved_on(at: Bench) -> None:
    lease = await leased(at)
    reservation = await at.store.spend.reserve(lease, 0.5, CAPS, at.now)
    await at.settle(lease, HandBack("Told to stop."))

    await at.store.spend.settle(reservation, Usage(1, 1, 0.125, 1), 200, at.now)

    assert await at.store.spend.total() == 0.125


async def test_the_second_settlement_of_a_call_changes_nothing(at: Bench) -> None:
    spend, lease = at.store.spend, await leased(at)
    reservation = await spend.reserve(lease, 0.5, CAPS, at.now)
    await spend.settle(reservation, Usage(1, 1, 0.125, 1), 200, at.now)
    await spend.settle(reservation, Usage(1, 1, 0.5, 1), 500, at.now)

    assert await spend.total() == 0.125
    assert await spend.requests_by_status() == {"200": 1}


async def test_old_calls_are_forgotten_and_the_sums_of_their_days_stay(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    first = await at.store.spend.reserve(lease, 0.25, CAPS, at.now)
    await at.store.spend.settle(first, Usage(10, 5, 0.25, 1), 200, at.now)
    day = at.now.date()
    old = at.later(366 * 86_400) - timedelta(days=365)
    await at.store.spend.reserve(lease, 0.5, CAPS, at.now)

    assert await at.store.spend.prune(old, 0) == 0
    assert [await at.store.spend.prune(old, 5) for _ in range(2)] == [1, 0]

    assert (await at.store.spend.of_job(lease.job.id)).usd == 0.5
    assert await at.store.spend.total() == 0.75
    assert await at.store.spend.by_day(day, day) == {day: 0.25}
    assert await at.store.spend.requests_by_status() == {"200": 1}
    with pytest.raises(ValueError, match="no reservation"):
        await at.store.spend.settle(first, Usage(), 200, at.now)


async def test_an_unknown_reservation_cannot_be_settled(at: Bench) -> None:
    for unknown in ("s00000001", "", "s", "nonsense"):
        with pytest.raises(ValueError, match="no reservation"):
            await at.store.spend.settle(unknown, Usage(), 200, at.now)


async def test_requests_are_counted_by_their_status(at: Bench) -> None:
    spend, lease = at.store.spend, await leased(at)
    for status, usage in (
        (200, Usage(1, 1, 0.01, 1)),
        (200, Usage(1, 1, 0.01, 1)),
        (429, Usage()),
        (None, Usage(model_calls=1)),
        (None, Usage()),
    ):
        await spend.settle(await spend.reserve(lease, 0.01, CAPS, at.now), usage, status, at.now)
    await spend.reserve(lease, 0.01, CAPS, at.now)

    assert await spend.requests_by_status() == {"200": 2, "429": 1, "none": 1}


async def test_small_sums_add_up_exactly(at: Bench) -> None:
    lease = await leased(at)
    for _ in range(100):
        await spent(at.store.spend, lease, 0.001, at)

    assert (await at.store.spend.of_job(lease.job.id)).usd == 0.1
    assert await at.store.spend.today(at.now) == 0.1
