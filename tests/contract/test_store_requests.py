"""What a delivery or a request leads to (`Jobs.accept`, `Jobs.request`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from prreview_cli.core.events import AnswerStatus, Cancel, Ignore, Review
from prreview_cli.core.job import Dead, Posted, Retry, Skipped, Standing, State, Superseded
from prreview_cli.store import wording
from support.stores import NOON, STORES, Bench, bench, sha, target


@pytest.fixture(params=STORES)
async def at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


async def test_the_first_delivery_of_a_head_makes_a_job(at: Bench) -> None:
    answer = await at.push("a", priority=3, admitted=False)

    assert answer.status is AnswerStatus.QUEUED
    job = await at.job(answer.job)
    assert (job.repository_id, job.repository, job.number, job.head_sha, job.base_ref) == (7, "octo/demo", 1, sha("a"), "main")
    assert (job.run, job.state, job.attempts, job.claim, job.priority) == (0, State.QUEUED, 0, 0, 3)
    assert (job.author, job.admitted, job.reviewed) == ("alice", False, False)
    assert (job.created, job.updated, job.due) == (NOON, NOON, NOON)
    assert (job.reason, job.failure) == (None, None)


async def test_every_delivery_is_recorded_with_its_answer(at: Bench) -> None:
    wanted = Review(target())
    answers = [await at.accept(wanted, name="d-1"), await at.accept(wanted, name="d-1"), await at.accept(wanted, name="d-2")]

    records = (await at.jobs.history("octo/demo", 1)).deliveries
    assert [(record.delivery.id, record.answer) for record in records] == list(zip(["d-1", "d-1", "d-2"], answers, strict=True))
    assert records[0].delivery.received == NOON
    assert records[0].delivery.head_sha == sha("a")


async def test_an_ignored_delivery_makes_nothing(at: Bench) -> None:
    answer = await at.accept(Ignore("The ping was received."))

    assert (answer.status, answer.reason, answer.job) == (AnswerStatus.IGNORED, "The ping was received.", None)
    assert await at.jobs.list([], None) == []


@pytest.mark.parametrize("settled", [None, "running", "posted"])
async def test_a_head_that_waits_runs_or_is_posted_is_a_duplicate(at: Bench, settled: str | None) -> None:
    job = await at.pushed("a")
    if settled is not None:
        lease = await at.claimed()
        if settled == "posted":
            await at.settle(lease, Posted("r-1"))

    answer = await at.push("a")

    assert (answer.status, answer.job) == (AnswerStatus.DUPLICATE, job)
    assert len(await at.jobs.list([], None)) == 1


async def test_a_duplicate_by_label_admits_the_job(at: Bench) -> None:
    job = await at.pushed("a", admitted=False)

    await at.push("a", admitted=False)
    assert not (await at.job(job)).admitted
    await at.push("a", admitted=True)
    assert (await at.job(job)).admitted
    await at.push("a", admitted=False)
    assert (await at.job(job)).admitted


async def test_fifteen_concurrent_deliveries_of_one_head_make_one_job(at: Bench) -> None:
    answers = await asyncio.gather(*(at.push("a") for _ in range(15)))

    assert sorted(answer.status for answer in answers) == ["duplicate"] * 14 + ["queued"]
    assert len({answer.job for answer in answers}) == 1
    assert len((await at.jobs.history("octo/demo", 1)).deliveries) == 15


async def test_a_push_supersedes_the_waiting_job_of_the_older_head(at: Bench) -> None:
    old = await at.pushed("a")
    at.later(1)
    new = await at.pushed("b")

    assert (await at.job(old)).state is State.SUPERSEDED
    assert (await at.job(old)).reason == wording.NEWER_HEAD
    assert (await at.job(new)).generation > (await at.job(old)).generation
    assert await at.state(new) is State.QUEUED


async def test_a_push_takes_the_standing_of_the_running_job(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    assert await at.jobs.standing(lease) is Standing.HELD

    await at.push("b")

    assert await at.jobs.standing(lease) is Standing.SUPERSEDED


async def test_an_older_delivery_of_another_head_is_superseded(at: Bench) -> None:
    await at.posted("b")

    answer = await at.push("a", updated_at=at.now - timedelta(seconds=1))

    assert (answer.status, answer.reason, answer.job) == (AnswerStatus.SUPERSEDED, wording.OLDER_EVENT, None)
    assert len(await at.jobs.list([], None)) == 1


async def test_an_older_delivery_of_the_newest_head_is_a_duplicate(at: Bench) -> None:
    job = await at.pushed("a", admitted=False)

    answer = await at.push("a", updated_at=at.now - timedelta(hours=1), admitted=True)

    assert (answer.status, answer.job) == (AnswerStatus.DUPLICATE, job)
    assert (await at.job(job)).admitted
    late = await at.push("b", updated_at=at.now - timedelta(minutes=1))
    assert late.status is AnswerStatus.SUPERSEDED, "the older delivery must not have set the pull request's time back"


async def test_of_equal_times_the_later_arrival_is_the_newer(at: Bench) -> None:
    first = await at.pushed("a")
    second = await at.pushed("b")

    assert await at.state(first) is State.SUPERSEDED
    assert await at.state(second) is State.QUEUED


async def test_again_makes_a_further_run_each_time(at: Bench) -> None:
    await at.posted("a")

    first = await at.job(await at.pushed("a", again=True))
    second = await at.job(await at.pushed("a", again=True))

    assert (first.run, second.run) == (1, 2)
    assert await at.state(first.id) is State.SUPERSEDED


async def test_a_new_base_makes_one_further_run_however_often_it_is_delivered(at: Bench) -> None:
    await at.posted("a")

    moved = await at.job(await at.pushed("a", base_ref="next", new_base=True))
    again = await at.push("a", base_ref="next", new_base=True)

    assert (moved.run, moved.base_ref) == (1, "next")
    assert (again.status, again.job) == (AnswerStatus.DUPLICATE, moved.id)


@pytest.mark.parametrize(
    "outcome",
    [Skipped("The author may not."), Superseded("The head moved."), Dead("no_submission", "Nothing came.")],
    ids=["skipped", "superseded", "dead"],
)
async def test_a_head_whose_job_ended_without_a_review_is_queued_anew(at: Bench, outcome: Skipped | Superseded | Dead) -> None:
    job = await at.pushed("a")
    await at.settle(await at.claimed(), Retry("model_overloaded", "529", at.now))
    await at.settle(await at.claimed(), outcome)
    at.later(5)

    assert await at.pushed("a", priority=2) == job

    revived = await at.job(job)
    assert (revived.run, revived.state, revived.attempts, revived.claim, revived.priority) == (0, State.QUEUED, 0, 2, 2)
    assert (revived.reason, revived.failure, revived.created, revived.due) == (None, None, NOON, at.now)


async def test_pushed_away_and_back_is_reviewed_again(at: Bench) -> None:
    first = await at.pushed("a")
    second = await at.pushed("b")
    assert await at.pushed("a") == first

    assert await at.state(second) is State.SUPERSEDED
    assert await at.state(first) is State.QUEUED


async def test_closed_and_reopened_is_reviewed_again(at: Bench) -> None:
    job = await at.pushed("a")
    await at.close_pull()
    assert (await at.job(job)).state is State.SKIPPED

    at.later(1)
    assert await at.pushed("a") == job


async def test_a_running_job_that_is_wanted_again_gets_its_standing_back(at: Bench) -> None:
    first = await at.pushed("a")
    lease = await at.claimed()
    second = await at.pushed("b")
    assert await at.jobs.standing(lease) is Standing.SUPERSEDED

    answer = await at.push("a")

    assert (answer.status, answer.job) == (AnswerStatus.DUPLICATE, first)
    assert await at.jobs.standing(lease) is Standing.HELD
    assert await at.state(second) is State.SUPERSEDED


async def test_closed_and_reopened_while_it_runs_goes_on(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    await at.close_pull()
    assert await at.jobs.standing(lease) is Standing.CANCELLED

    await at.push("a")

    assert await at.jobs.standing(lease) is Standing.HELD


async def test_pushed_back_to_a_posted_head_nothing_else_is_wanted(at: Bench) -> None:
    posted = await at.posted("a")
    waiting = await at.pushed("b")

    answer = await at.push("a")

    assert (answer.status, answer.job) == (AnswerStatus.DUPLICATE, posted)
    assert await at.state(waiting) is State.SUPERSEDED


async def test_pushed_back_to_a_posted_head_stops_what_runs(at: Bench) -> None:
    await at.posted("a")
    await at.pushed("b")
    lease = await at.claimed()

    await at.push("a")

    assert await at.jobs.standing(lease) is Standing.SUPERSEDED


async def test_a_close_skips_what_waits_and_stops_what_runs(at: Bench) -> None:
    await at.pushed("a")
    lease = await at.claimed()
    waiting = await at.pushed("b")

    answer = await at.close_pull("The pull request was closed.")

    assert (answer.status, answer.reason, answer.job) == (AnswerStatus.IGNORED, "The pull request was closed.", None)
    assert ((await at.job(waiting)).state, (await at.job(waiting)).reason) == (State.SKIPPED, "The pull request was closed.")
    assert await at.jobs.standing(lease) is Standing.CANCELLED


async def test_a_close_older_than_what_is_known_is_superseded(at: Bench) -> None:
    job = await at.pushed("a")

    answer = await at.close_pull(at=at.now - timedelta(seconds=1))

    assert answer.status is AnswerStatus.SUPERSEDED
    assert await at.state(job) is State.QUEUED


async def test_a_delivery_from_before_the_close_does_not_bring_a_job_back(at: Bench) -> None:
    job = await at.pushed("a")
    opened = at.now
    at.later(10)
    await at.close_pull()

    answer = await at.push("a", updated_at=opened)

    assert answer.status is AnswerStatus.SUPERSEDED
    assert await at.state(job) is State.SKIPPED


async def test_a_close_that_arrives_first_stands_against_what_is_older(at: Bench) -> None:
    await at.accept(Cancel(7, "octo/demo", 1, NOON, "closed"))

    assert (await at.push("a", updated_at=NOON - timedelta(seconds=1))).status is AnswerStatus.SUPERSEDED
    assert (await at.push("a", updated_at=NOON + timedelta(seconds=1))).status is AnswerStatus.QUEUED


async def test_other_pull_requests_are_left_alone(at: Bench) -> None:
    other = await at.pushed("a", number=2)
    elsewhere = await at.pushed("a", repository_id=8, repository="octo/other")
    await at.pushed("a")
    await at.close_pull()

    assert [await at.state(other), await at.state(elsewhere)] == [State.QUEUED, State.QUEUED]


async def test_a_head_waits_until_the_interval_since_the_last_review_is_over(at: Bench) -> None:
    await at.posted("a", interval=60)
    at.later(20)

    answer = await at.push("b", interval=60)

    assert (answer.status, answer.reason) == (AnswerStatus.QUEUED, wording.SCHEDULED)
    job = await at.job(answer.job)
    assert (job.state, job.due) == (State.SCHEDULED, NOON + timedelta(seconds=60))
    at.later(39)
    assert await at.claim() is None
    at.later(1)
    assert (await at.claimed()).job.id == job.id


async def test_after_the_interval_a_head_is_due_at_once(at: Bench) -> None:
    await at.posted("a", interval=60)
    at.later(60)

    assert await at.state(await at.pushed("b", interval=60)) is State.QUEUED


async def test_a_revived_job_waits_for_the_interval_too(at: Bench) -> None:
    job = await at.pushed("a")
    lease = await at.claimed()
    await at.jobs.begin(lease, at.now)
    await at.settle(lease, Dead("no_submission", "Nothing came."))

    assert await at.pushed("a", interval=60) == job
    assert await at.state(job) is State.SCHEDULED


async def test_a_clock_set_back_makes_nobody_wait_longer_than_the_interval(at: Bench) -> None:
    await at.posted("a", interval=60)
    at.later(-3600)

    job = await at.job(await at.pushed("b", interval=60, updated_at=NOON + timedelta(seconds=1)))

    assert job.due == at.now + timedelta(seconds=60)


async def test_a_storm_of_pushes_leaves_one_waiting_job(at: Bench) -> None:
    await at.pushed("h0", interval=60)
    lease = await at.claimed()
    await at.jobs.begin(lease, at.now)
    for push in range(1, 100):
        at.later(0.1)
        await at.push(f"h{push}", interval=60)

    waiting = await at.jobs.list([State.QUEUED, State.SCHEDULED], None)
    assert [job.head_sha for job in waiting] == [sha("h99")]
    assert waiting[0].due == NOON + timedelta(seconds=60)


async def test_request_stands_for_a_head_without_a_delivery(at: Bench) -> None:
    answer = await at.jobs.request(target("a"), 0, at.now)
    again = await at.jobs.request(target("a"), 0, at.now)

    assert (answer.status, again.status) == (AnswerStatus.QUEUED, AnswerStatus.DUPLICATE)
    assert (await at.jobs.history("octo/demo", 1)).deliveries == []


async def test_hostile_text_comes_back_as_it_was(at: Bench) -> None:
    hostile = "x'; DROP TABLE job; --\x00\u202e\n\"%s"
    job = await at.job(await at.pushed("a", author=hostile, base_ref=hostile, repository=hostile))

    assert (job.author, job.base_ref, job.repository) == (hostile, hostile, hostile)
    assert [each.id for each in (await at.jobs.history(hostile, 1)).jobs] == [job.id]
