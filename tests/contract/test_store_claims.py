"""Taking jobs and keeping them (`Jobs.claim`, `renew`, `standing`, `begin`, `begin_post`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from prreview_cli.core.events import AnswerStatus
from prreview_cli.core.job import Defer, HandBack, Posted, Retry, Standing, State
from support.stores import STORES, Bench, bench


@pytest.fixture(params=STORES)
async def at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


async def drained(at: Bench, **how: int) -> list[tuple[int, int]]:
    """The (repository, number) of everything that waits, in the order in which it is taken and posted."""
    order = []
    while (lease := await at.claim(**how)) is not None:
        order.append((lease.job.repository_id, lease.job.number))
        await at.settle(lease, Posted("r"))
    return order


async def one_by_one(at: Bench) -> tuple[int, int]:
    """The (repository, number) of what is taken next and posted."""
    lease = await at.claimed()
    await at.settle(lease, Posted("r"))
    return lease.job.repository_id, lease.job.number


async def test_nothing_is_taken_from_an_empty_queue(at: Bench) -> None:
    assert await at.claim() is None


async def test_a_taken_job_runs_and_its_attempt_is_open(at: Bench) -> None:
    job_id = await at.pushed("a")
    at.later(2)

    lease = await at.claimed("w1")

    assert (lease.job.id, lease.worker, lease.job.state, lease.job.claim, lease.job.due) == (job_id, "w1", State.RUNNING, 1, None)
    assert lease.job == await at.job(job_id)
    [attempt] = (await at.jobs.history("octo/demo", 1)).attempts
    assert (attempt.job, attempt.claim, attempt.worker, attempt.started) == (job_id, 1, "w1", at.now)
    assert (attempt.ended, attempt.outcome) == (None, None)


async def test_the_claim_rises_at_every_taking_and_attempts_do_not(at: Bench) -> None:
    job = await at.pushed("a")
    for taking in range(1, 4):
        lease = await at.claimed()
        assert (lease.job.claim, lease.job.attempts) == (taking, 0)
        await at.settle(lease, HandBack("A drain."))

    assert (await at.job(job)).claim == 3


async def test_a_job_that_was_tried_before_says_nothing_of_it_while_it_runs(at: Bench) -> None:
    await at.pushed("a")
    await at.settle(await at.claimed(), Retry("model_overloaded", "529", at.now))

    lease = await at.claimed()

    assert (lease.job.reason, lease.job.failure, lease.job.attempts) == (None, None, 1)


async def test_one_job_is_taken_once(at: Bench) -> None:
    await at.pushed("a")

    leases = await asyncio.gather(*(at.claim(f"w{n}") for n in range(8)))

    assert len([lease for lease in leases if lease is not None]) == 1


async def test_the_bound_holds_whoever_asks(at: Bench) -> None:
    for number in range(1, 11):
        await at.pushed("a", number=number)

    leases = await asyncio.gather(*(at.claim(f"w{n}", reviews=4) for n in range(10)))

    assert len([lease for lease in leases if lease is not None]) == 4
    assert len(await at.jobs.list([State.RUNNING], None)) == 4


async def test_a_freed_slot_is_taken_again(at: Bench) -> None:
    await at.pushed("a", number=1)
    await at.pushed("a", number=2)
    lease = await at.claimed(reviews=1)
    assert await at.claim(reviews=1) is None

    await at.settle(lease, Posted("r"))

    assert (await at.claimed(reviews=1)).job.number == 2


async def test_no_job_of_a_pull_request_that_has_a_running_one(at: Bench) -> None:
    await at.pushed("a")
    running = await at.claimed()
    newer = await at.pushed("b")

    assert await at.claim() is None
    await at.settle(running, Posted("r"))
    assert (await at.claimed()).job.id == newer


async def test_a_repository_has_a_bound_of_its_own_if_it_is_set(at: Bench) -> None:
    for number in range(1, 4):
        await at.pushed("a", number=number)
    other = await at.pushed("a", repository_id=8, repository="octo/other")

    first = await at.claimed(per_repository=1)
    second = await at.claimed(per_repository=1)

    assert first.job.repository_id == 7
    assert second.job.id == other
    assert await at.claim(per_repository=1) is None
    assert (await at.claimed(per_repository=2)).job.repository_id == 7
    assert (await at.claimed()).job.repository_id == 7


async def test_higher_priority_goes_first_then_age(at: Bench) -> None:
    for number, priority in ((1, 0), (2, 5), (3, 5), (4, -1)):
        await at.pushed("a", number=number, priority=priority)

    assert [number for _, number in await drained(at)] == [2, 3, 1, 4]


async def test_urgent_jobs_go_first_and_let_one_in_four_through(at: Bench) -> None:
    for number in range(1, 13):
        await at.pushed("a", number=number, priority=1)
    for number in range(1, 5):
        await at.pushed("a", number=number, repository_id=8, repository="octo/other")

    order = [repository for repository, _ in await drained(at)]

    assert order[:12] == [7, 7, 7, 8] * 3
    assert sorted(order[12:]) == [7, 7, 7, 8]


async def test_no_priority_starves_whatever_is_above_it(at: Bench) -> None:
    for number in range(1, 13):
        for repository, priority in ((7, 5), (8, 0), (9, -10)):
            await at.pushed("a", number=number, repository_id=repository, repository=f"octo/r{repository}", priority=priority)

    order = [repository for repository, _ in await drained(at)]

    assert order[:16] == [7, 7, 7, 8, 7, 7, 7, 8, 7, 7, 7, 8, 7, 7, 7, 9]


async def test_an_urgent_job_that_overtakes_nobody_pays_for_nothing(at: Bench) -> None:
    for number in range(1, 7):
        await at.pushed("a", number=number, priority=1)
    for _ in range(5):
        await at.settle(await at.claimed(), Posted("r"))
    await at.pushed("a", repository_id=8, repository="octo/other")

    assert [repository for repository, _ in await drained(at)] == [7, 8], "only those count that passed somebody over"


async def test_a_job_that_may_not_run_is_not_overtaken(at: Bench) -> None:
    await at.pushed("a", number=99)
    await at.claimed()
    await at.pushed("b", number=99)
    for number in range(1, 7):
        await at.pushed("a", number=number, priority=1)

    assert [number for _, number in [await one_by_one(at) for _ in range(6)]] == [1, 2, 3, 4, 5, 6]


async def test_a_bound_of_the_repository_holds_for_the_one_that_is_let_through_too(at: Bench) -> None:
    for number in range(1, 7):
        await at.pushed("a", number=number, repository_id=8, repository="octo/urgent", priority=1)
    await at.pushed("a", number=98)
    await at.pushed("a", number=99)
    held = await at.claimed(reviews=9)
    while held.job.repository_id != 7:
        await at.settle(held, Posted("r"))
        held = await at.claimed(reviews=9)

    order = await drained(at, per_repository=1)

    assert {repository for repository, _ in order} == {8}
    await at.settle(held, Posted("r"))
    assert await drained(at, per_repository=1) == [(7, 99)]


async def test_a_flood_from_one_repository_delays_another_by_one_job_at_most(at: Bench) -> None:
    for number in range(1, 41):
        await at.pushed("a", number=number)
    for _ in range(5):
        await at.settle(await at.claimed(), Posted("r"))
    for number in range(1, 4):
        await at.pushed("a", repository_id=8, repository="octo/other", number=number)

    order = [repository for repository, _ in await drained(at)]

    assert order[:6] == [7, 8, 7, 8, 7, 8]
    assert set(order[6:]) == {7}


async def test_an_urgent_job_of_a_flooded_repository_costs_the_others_no_turn(at: Bench) -> None:
    for number in range(1, 41):
        await at.pushed("a", number=number)
    await at.pushed("a", number=99, priority=1)
    await at.settle(await at.claimed(), Posted("r"))
    await at.pushed("a", repository_id=8, repository="octo/other")

    order = await drained(at)

    assert (8, 1) in order[:2]


async def test_a_job_handed_back_keeps_its_turn(at: Bench) -> None:
    for number in range(1, 6):
        await at.pushed("a", number=number)
    lease = await at.claimed()

    await at.settle(lease, HandBack("A drain."))

    assert (await at.claimed()).job.id == lease.job.id


async def test_scheduled_jobs_ripen_when_their_time_has_come(at: Bench) -> None:
    await at.pushed("a", number=1)
    await at.settle(await at.claimed(), Defer("Not now.", at.now + timedelta(seconds=10)))
    later = await at.pushed("a", number=2)
    await at.settle(await at.claimed(), Defer("Not now.", at.now + timedelta(seconds=5)))

    assert await at.claim() is None
    at.later(5)
    assert (await at.claimed()).job.id == later
    assert await at.claim() is None
    at.later(5)
    assert (await at.claimed()).job.number == 1


@pytest.mark.parametrize("back", [3600.0, 86_400.0])
async def test_a_clock_set_back_makes_no_scheduled_job_wait_longer_than_it_should(at: Bench, back: float) -> None:
    await at.pushed("a")
    await at.settle(await at.claimed(), Retry("model_overloaded", "529", at.later(0) + timedelta(seconds=60)))
    at.later(-back)

    assert await at.claim() is None, "and no shorter"
    at.later(59)
    assert await at.claim() is None
    at.later(1)
    assert await at.claim() is not None


async def test_nothing_is_taken_while_the_profile_is_paused(at: Bench) -> None:
    await at.pushed("a")
    await at.store.switches.pause("By hand.", at.now)

    assert await at.claim() is None
    await at.store.switches.resume(at.now)
    assert await at.claim() is not None


async def test_a_pause_ends_by_itself_when_it_has_an_end(at: Bench) -> None:
    await at.pushed("a")
    await at.store.switches.pause("The day's budget is spent.", at.now, at.now + timedelta(hours=1))

    at.later(3599)
    assert await at.claim() is None
    at.later(1)
    assert await at.claim() is not None


async def test_a_renewed_lease_outlives_its_first_end(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed(lease_s=30)
    assert await at.silence(24) == []
    assert await at.jobs.renew(lease, 30) is Standing.HELD

    assert await at.silence(24) == []
    assert [job.id for job in await at.silence(6)] == [lease.job.id]


async def test_a_renewal_for_another_time_counts_from_then_on(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed(lease_s=30)
    await at.jobs.renew(lease, 60)

    assert await at.silence(45) == []
    await at.jobs.renew(lease, 3)
    assert len(await at.silence(3)) == 1


@pytest.mark.parametrize("jump", [-90_000.0, 90_000.0])
async def test_a_clock_that_jumps_ends_no_lease_and_saves_none(at: Bench, jump: float) -> None:
    await at.pushed("a")
    await at.claimed(lease_s=30)
    assert await at.jobs.rescue(5, at.now) == []
    at.later(jump)

    assert await at.silence(24) == []
    at.later(jump)
    assert len(await at.silence(6)) == 1


async def test_an_observer_that_was_held_up_itself_takes_nothing_for_one_late_look(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed(lease_s=30)
    assert await at.jobs.rescue(5, at.now) == []
    await at.clock.advance(3600)

    assert await at.jobs.rescue(5, at.later(3600)) == [], "whoever was frozen with us has had no time to renew"
    await at.jobs.renew(lease, 30)
    assert await at.silence(24) == []


async def test_a_lease_seen_for_the_first_time_is_a_fresh_one(at: Bench) -> None:
    await at.pushed("a")
    await at.claimed(lease_s=30)
    await at.clock.advance(3600)

    assert await at.jobs.rescue(5, at.later(3600)) == []
    assert len(await at.silence(30)) == 1


async def test_a_superseded_or_cancelled_lease_can_be_renewed_too(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed(lease_s=30)
    await at.push("b")
    assert await at.silence(24) == []
    assert await at.jobs.renew(lease, 30) is Standing.SUPERSEDED
    assert await at.silence(24) == []
    await at.close_pull()
    assert await at.jobs.renew(lease, 30) is Standing.CANCELLED

    assert await at.silence(24) == []


async def test_a_lost_lease_renews_nothing(at: Bench) -> None:
    await at.pushed("a")
    stale = await at.claimed("w1", lease_s=30)
    await at.silence(30)
    await at.claimed("w2", lease_s=30)

    assert await at.jobs.renew(stale, 3600) is Standing.LOST
    assert len(await at.silence(30)) == 1


async def test_a_lease_is_lost_once_the_job_has_moved_on(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    await at.settle(lease, HandBack("A drain."))
    assert await at.jobs.standing(lease) is Standing.LOST

    await at.claimed()

    assert await at.jobs.standing(lease) is Standing.LOST
    assert await at.jobs.begin(lease, at.now) is Standing.LOST


async def test_a_push_after_a_close_supersedes_rather_than_cancels(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    await at.close_pull()
    await at.push("b")

    assert await at.jobs.standing(lease) is Standing.SUPERSEDED


async def test_only_a_held_lease_begins(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    await at.push("b")
    assert await at.jobs.begin(lease, at.now) is Standing.SUPERSEDED
    await at.settle(lease, HandBack("It was told to stop."))

    answer = await at.push("c", interval=60)

    assert answer.status is AnswerStatus.QUEUED
    assert await at.state(answer.job) is State.QUEUED, "a review that did not begin costs no interval"


async def test_a_post_that_began_is_known_of_until_a_job_of_its_pull_request_is_posted(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    assert await at.jobs.post_under_way(lease) is None
    assert await at.jobs.begin_post(lease, at.now) is Standing.HELD
    began = at.now
    at.later(3)
    await at.settle(lease, HandBack("Its worker ends."))
    await at.pushed("b")

    newer = await at.claimed()

    assert await at.jobs.post_under_way(newer) == began
    assert await at.jobs.begin_post(lease, at.now) is Standing.LOST
    assert await at.jobs.post_under_way(newer) == began, "who lost its lease writes nothing"
    await at.settle(newer, Posted("r"))
    await at.pushed("c")
    assert await at.jobs.post_under_way(await at.claimed()) is None
