"""How holds end, and what an operator may do (`Jobs.settle`, `rescue`, `cancel`, `retry`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from prreview_cli.core.job import AttemptCost, Dead, Defer, HandBack, Outcome, Posted, Retry, Skipped, Standing, State, Superseded
from prreview_cli.store import wording
from support.stores import NOON, REVIEW, STORES, Bench, bench, sha, target


@pytest.fixture(params=STORES)
async def at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


SOON = NOON + timedelta(seconds=10)

ENDINGS = [
    (Posted("r-1", "adopted"), State.POSTED, "posted", None, 0),
    (Skipped("Closed."), State.SKIPPED, "skipped", None, 0),
    (Superseded("The head moved."), State.SUPERSEDED, "superseded", None, 0),
    (Retry("model_overloaded", "529.", SOON), State.SCHEDULED, "retry", "model_overloaded", 1),
    (Defer("Its post may still land.", SOON), State.SCHEDULED, "defer", None, 0),
    (HandBack("A drain."), State.QUEUED, "hand_back", None, 0),
    (Dead("no_submission", "Nothing came."), State.DEAD, "dead", "no_submission", 1),
]
WAITS_AGAIN = [Retry("model_overloaded", "529.", SOON), Defer("Wait.", SOON), HandBack("A drain.")]


def name(value: object) -> str:
    return type(value).__name__ if isinstance(value, Outcome) else ""


@pytest.mark.parametrize(("outcome", "state", "word", "failure", "charged"), ENDINGS, ids=name)
async def test_each_outcome_ends_the_hold_as_it_says(
    at: Bench, outcome: Outcome, state: State, word: str, failure: str | None, charged: int
) -> None:
    job_id = await at.pushed("a")
    lease = await at.claimed()
    at.later(3)

    assert await at.settle(lease, outcome, AttemptCost(4, 0.125))

    job = await at.job(job_id)
    assert (job.state, job.reason, job.failure, job.attempts) == (state, outcome.reason, failure, charged)
    assert (job.updated, job.claim) == (at.now, 1)
    [attempt] = (await at.jobs.history("octo/demo", 1)).attempts
    assert (attempt.ended, attempt.outcome, attempt.failure, attempt.reason) == (at.now, word, failure, outcome.reason)
    assert attempt.cost == AttemptCost(4, 0.125)


@pytest.mark.parametrize("outcome", [each[0] for each in ENDINGS], ids=name)
async def test_a_worker_presumed_dead_cannot_settle(at: Bench, outcome: Outcome) -> None:
    job = await at.pushed("a")
    stale = await at.claimed("w1")
    await at.silence(30)
    await at.claimed("w2")
    before = await at.job(job)

    assert not await at.settle(stale, outcome)

    assert await at.job(job) == before
    assert (await at.jobs.history("octo/demo", 1)).attempts[0].outcome == "rescued"


async def test_a_hold_is_settled_once(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()

    settled = await asyncio.gather(*(at.settle(lease, outcome) for outcome in (Posted("r-1"), Dead("internal", "No."), HandBack("No."))))

    assert settled == [True, False, False]
    assert await at.state(job) is State.POSTED


@pytest.mark.parametrize("outcome", WAITS_AGAIN, ids=name)
async def test_a_job_that_would_wait_beside_a_newer_one_is_superseded(at: Bench, outcome: Outcome) -> None:
    old = await at.pushed("a")
    lease = await at.claimed()
    new = await at.pushed("b")

    assert await at.settle(lease, outcome)

    assert ((await at.job(old)).state, (await at.job(old)).reason) == (State.SUPERSEDED, wording.NEWER_HEAD)
    assert (await at.job(old)).attempts == isinstance(outcome, Retry)
    assert (await at.claimed()).job.id == new


@pytest.mark.parametrize("outcome", WAITS_AGAIN, ids=name)
async def test_a_job_that_would_wait_after_a_newer_one_came_and_went_is_superseded(at: Bench, outcome: Outcome) -> None:
    old = await at.pushed("a")
    lease = await at.claimed()
    await at.jobs.cancel(await at.pushed("b"), "Not wanted.", at.now)

    await at.settle(lease, outcome)

    assert await at.state(old) is State.SUPERSEDED


@pytest.mark.parametrize("outcome", WAITS_AGAIN, ids=name)
async def test_a_job_that_would_wait_after_a_cancellation_is_skipped(at: Bench, outcome: Outcome) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.close_pull("The pull request was closed.")

    await at.settle(lease, outcome)

    assert ((await at.job(job)).state, (await at.job(job)).reason) == (State.SKIPPED, "The pull request was closed.")


async def test_a_post_that_landed_stands_whatever_came_meanwhile(at: Bench) -> None:
    old = await at.pushed("a")
    lease = await at.claimed()
    await at.push("b")

    assert await at.settle(lease, Posted("r-1"))
    assert await at.state(old) is State.POSTED


async def test_the_live_head_gets_its_job_in_the_same_settlement(at: Bench) -> None:
    old = await at.pushed("a")
    lease = await at.claimed()
    at.later(5)

    await at.settle(lease, Superseded("The head is another.", live=target("b", updated_at=at.now)))

    [new] = await at.jobs.list([State.QUEUED], None)
    assert (await at.state(old), new.head_sha) == (State.SUPERSEDED, sha("b"))


async def test_the_live_head_keeps_the_interval_of_its_pull_request(at: Bench) -> None:
    await at.pushed("a", interval=60)
    lease = await at.claimed()
    await at.jobs.begin(lease, at.now)
    at.later(5)

    await at.settle(lease, Superseded("The head is another.", live=target("b", updated_at=at.now)))

    [new] = await at.jobs.list([State.SCHEDULED], None)
    assert new.due == NOON + timedelta(seconds=60)


async def test_a_live_head_that_has_its_job_already_makes_no_second_one(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    new = await at.pushed("b")

    await at.settle(lease, Superseded("The head is another.", live=target("b")))

    assert await at.state(new) is State.QUEUED
    assert len(await at.jobs.list([], None)) == 2


async def test_a_host_that_lags_behind_its_webhooks_costs_no_review(at: Bench) -> None:
    await at.posted("a")
    at.later(1)
    newest = await at.pushed("b")
    lease = await at.claimed()

    await at.settle(lease, Superseded("The head is another.", live=target("a", updated_at=NOON)))

    assert ((await at.job(newest)).state, (await at.job(newest)).reason) == (State.SCHEDULED, wording.NOT_SHOWN_YET)
    at.later(15)
    assert (await at.claimed()).job.id == newest


@pytest.mark.parametrize("outcome", [Skipped("Told to stop."), Superseded("Told to stop.")], ids=name)
async def test_a_worker_told_to_stop_does_not_end_a_job_that_is_wanted_again(at: Bench, outcome: Outcome) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    at.later(1)
    await at.push("b")
    at.later(1)
    await at.push("a")

    assert await at.settle(lease, outcome)

    assert ((await at.job(job)).state, (await at.job(job)).reason) == (State.QUEUED, wording.ASKED_AGAIN)
    await at.settle(await at.claimed(), outcome)
    assert (await at.job(job)).state in {State.SKIPPED, State.SUPERSEDED}


async def test_a_job_skipped_for_its_author_waits_again_if_a_label_came_meanwhile(at: Bench) -> None:
    job = await at.pushed("a", admitted=False)
    lease = await at.claimed()
    await at.push("a", admitted=True)

    await at.settle(lease, Skipped("The author may not.", unadmitted=True))

    assert ((await at.job(job)).state, (await at.job(job)).reason) == (State.QUEUED, wording.ADMITTED)
    second = await at.claimed()
    assert second.job.admitted
    await at.settle(second, Skipped("The author may not.", unadmitted=True))
    assert await at.state(job) is State.SKIPPED


async def test_a_label_does_not_overrule_another_reason_to_skip(at: Bench) -> None:
    job = await at.pushed("a", admitted=False)
    lease = await at.claimed()
    await at.push("a", admitted=True)

    await at.settle(lease, Skipped("The pull request is a draft."))

    assert await at.state(job) is State.SKIPPED


async def test_a_label_after_a_newer_head_does_not_bring_the_older_back(at: Bench) -> None:
    old = await at.pushed("a", admitted=False)
    lease = await at.claimed()
    await at.push("a", admitted=True)
    await at.push("b")

    await at.settle(lease, Skipped("The author may not.", unadmitted=True))

    assert await at.state(old) is State.SUPERSEDED


async def test_a_whole_repository_ends_in_the_same_way(at: Bench) -> None:
    waiting = await at.pushed("a", number=2)
    scheduled = await at.pushed("a", number=3)
    elsewhere = await at.pushed("a", repository_id=8, repository="octo/other")
    first = await at.claimed(per_repository=1)
    await at.settle(first, Defer("Not now.", SOON))
    lease = await at.claimed()
    other_running = None
    while lease.job.repository_id != 7:
        other_running, lease = lease, await at.claimed()

    await at.settle(lease, Dead("repository_forbidden", "No access.", whole_repository=True))

    ended = [await at.job(job) for job in (waiting, scheduled)]
    assert [(job.state, job.failure, job.reason) for job in ended] == [(State.DEAD, "repository_forbidden", "No access.")] * 2
    assert sum(job.attempts for job in ended) == 1, "only the one that was held is to blame"
    assert await at.state(elsewhere) in {State.QUEUED, State.RUNNING}
    assert other_running is None or await at.jobs.standing(other_running) is Standing.HELD


async def test_an_ordinary_death_ends_its_job_alone(at: Bench) -> None:
    await at.pushed("a", number=1)
    other = await at.pushed("a", number=2)

    await at.settle(await at.claimed(), Dead("no_submission", "Nothing came."))

    assert await at.state(other) is State.QUEUED


# -- rescue ------------------------------------------------------------------------------------------


async def test_a_job_whose_lease_expired_is_taken_back_and_charged(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed(lease_s=30)
    assert await at.silence(27) == []

    [rescued] = await at.silence(3)

    assert rescued == await at.job(job)
    assert (rescued.state, rescued.attempts, rescued.reason) == (State.QUEUED, 1, wording.WORKER_DIED)
    assert await at.jobs.standing(lease) is Standing.LOST
    [attempt] = (await at.jobs.history("octo/demo", 1)).attempts
    assert (attempt.ended, attempt.outcome, attempt.failure) == (at.now, "rescued", "worker_died")


async def test_a_job_that_kills_its_workers_dies_and_the_next_one_runs(at: Bench) -> None:
    poison = await at.pushed("a", number=1)
    healthy = await at.pushed("a", number=2)
    for attempt in range(1, 4):
        while (lease := await at.claimed(lease_s=1)).job.id != poison:
            await at.settle(lease, Defer("Not this one.", at.now))
        [rescued] = await at.silence(1, max_attempts=3)
        assert rescued.attempts == attempt

    assert (rescued.state, rescued.failure) == (State.DEAD, "worker_died")
    assert (await at.claimed()).job.id == healthy


async def test_a_job_that_killed_its_worker_goes_behind_the_others(at: Bench) -> None:
    await at.pushed("a", number=1)
    await at.pushed("a", number=2)
    await at.claimed(lease_s=1)
    await at.silence(1)

    assert (await at.claimed()).job.number == 2


async def test_a_rescued_job_beside_a_newer_one_is_superseded(at: Bench) -> None:
    await at.pushed("a")
    await at.claimed(lease_s=30)
    new = await at.pushed("b")

    [rescued] = await at.silence(30, max_attempts=1)

    assert rescued.state is State.SUPERSEDED
    assert (await at.claimed()).job.id == new


async def test_a_rescued_job_that_was_cancelled_is_skipped(at: Bench) -> None:
    await at.pushed("a")
    await at.claimed(lease_s=30)
    await at.close_pull("Closed.")

    [rescued] = await at.silence(30)

    assert (rescued.state, rescued.reason) == (State.SKIPPED, "Closed.")


async def test_only_one_of_many_rescuers_takes_a_job_back(at: Bench) -> None:
    await at.pushed("a")
    await at.claimed(lease_s=30)
    await at.silence(27)
    await at.clock.advance(3)

    rescued = await asyncio.gather(*(at.jobs.rescue(5, at.now) for _ in range(5)))

    assert sorted(len(jobs) for jobs in rescued) == [0, 0, 0, 0, 1]


async def test_what_was_begun_is_settled_after_the_clock_was_set_back(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed(lease_s=30)
    at.later(-7200)

    assert await at.jobs.rescue(5, at.now) == []
    assert await at.settle(lease, Posted("r-1"))
    assert await at.state(job) is State.POSTED


# -- the operator's hand -------------------------------------------------------------------------------


async def test_a_waiting_job_can_be_cancelled(at: Bench) -> None:
    await at.posted("a", number=2, interval=60)
    queued = await at.pushed("a", number=1)
    scheduled = await at.pushed("b", number=2, interval=60)

    for job_id in (queued, scheduled):
        job = await at.jobs.cancel(job_id, "Not wanted.", at.now)
        assert job == await at.job(job_id)
        assert (job.state, job.reason) == (State.SKIPPED, "Not wanted.")


async def test_a_running_job_loses_its_standing_when_cancelled(at: Bench) -> None:
    job_id = await at.pushed("a")
    lease = await at.claimed()

    job = await at.jobs.cancel(job_id, "Not wanted.", at.now)

    assert job is not None
    assert job.state is State.RUNNING
    assert await at.jobs.standing(lease) is Standing.CANCELLED
    await at.settle(lease, HandBack("Told to stop."))
    assert ((await at.job(job_id)).state, (await at.job(job_id)).reason) == (State.SKIPPED, "Not wanted.")


async def test_cancelling_the_older_job_leaves_the_newer_one_alone(at: Bench) -> None:
    old = await at.pushed("a")
    lease = await at.claimed()
    new = await at.pushed("b")

    await at.jobs.cancel(old, "Not wanted.", at.now)
    await at.settle(lease, HandBack("Told to stop."))

    taken = await at.claimed()
    assert taken.job.id == new
    assert await at.jobs.standing(taken) is Standing.HELD


@pytest.mark.parametrize("unknown", ["j00000099", "", "x", "j-1", "j1", "99", "j" + "9" * 30])
async def test_what_is_not_there_can_be_neither_cancelled_nor_retried_nor_read(at: Bench, unknown: str) -> None:
    assert await at.jobs.cancel(unknown, "No.", at.now) is None
    assert await at.jobs.retry(unknown, at.now) is None
    assert await at.jobs.get(unknown) is None
    assert await at.store.reviews.of(unknown) is None


async def test_a_job_at_rest_cannot_be_cancelled(at: Bench) -> None:
    assert await at.jobs.cancel(await at.posted("a"), "No.", at.now) is None


@pytest.mark.parametrize("outcome", [Dead("no_submission", "Nothing."), Skipped("No."), Superseded("No.")], ids=name)
async def test_a_job_that_ended_without_a_review_can_be_retried(at: Bench, outcome: Outcome) -> None:
    job_id = await at.pushed("a")
    await at.settle(await at.claimed(), outcome)
    at.later(5)

    job = await at.jobs.retry(job_id, at.now)

    assert job is not None
    assert job == await at.job(job_id)
    assert (job.state, job.attempts, job.reason, job.failure, job.due, job.claim) == (State.QUEUED, 0, None, None, at.now, 1)
    lease = await at.claimed()
    assert await at.jobs.standing(lease) is Standing.HELD


async def test_a_waiting_running_or_posted_job_cannot_be_retried(at: Bench) -> None:
    job = await at.pushed("a")
    assert await at.jobs.retry(job, at.now) is None
    lease = await at.claimed()
    assert await at.jobs.retry(job, at.now) is None
    await at.settle(lease, Posted("r-1"))
    assert await at.jobs.retry(job, at.now) is None


async def test_a_job_is_not_retried_while_another_of_its_pull_request_is_wanted(at: Bench) -> None:
    old = await at.pushed("a")
    await at.push("b")
    assert await at.jobs.retry(old, at.now) is None

    lease = await at.claimed()
    assert await at.jobs.retry(old, at.now) is None
    assert await at.jobs.standing(lease) is Standing.HELD

    await at.settle(lease, Dead("no_submission", "Nothing."))
    assert await at.jobs.retry(old, at.now) is not None


async def test_a_retried_job_keeps_the_review_that_was_paid_for(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.store.reviews.store(lease, REVIEW, at.now)
    await at.settle(lease, Dead("post_refused", "422."))

    await at.jobs.retry(job, at.now)

    assert (await at.claimed()).job.reviewed
    assert await at.store.reviews.of(job) == REVIEW


async def test_a_closed_pull_request_does_not_take_the_standing_of_a_retried_job(at: Bench) -> None:
    job = await at.pushed("a")
    await at.close_pull()

    await at.jobs.retry(job, at.now)

    assert await at.jobs.standing(await at.claimed()) is Standing.HELD


async def test_retry_and_a_push_at_once_leave_one_waiting_job(at: Bench) -> None:
    job = await at.pushed("a")
    await at.settle(await at.claimed(), Dead("no_submission", "Nothing."))

    await asyncio.gather(at.jobs.retry(job, at.now), at.push("b"), at.jobs.retry(job, at.now))

    assert len(await at.jobs.list([State.QUEUED, State.SCHEDULED], None)) == 1


async def test_a_reason_that_is_no_text_for_a_database_is_kept_as_far_as_it_is(at: Bench) -> None:
    job = await at.pushed("a")

    assert await at.settle(await at.claimed(), Dead("internal", "The model wrote \ud800 here."))

    assert "The model wrote" in ((await at.job(job)).reason or "")


async def test_a_posted_job_names_the_review_also_when_it_was_made_elsewhere(at: Bench) -> None:
    job = await at.pushed("a")
    await at.settle(await at.claimed(), Posted("r-9", "The host already shows our review of this head."))

    assert (await at.job(job)).review_id == "r-9"
    assert await at.store.reviews.of(job) is None
