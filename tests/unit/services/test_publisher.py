"""Posting under the fence: the turn before it, the post that was sent before the job was taken back, the marks after it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from prreview_cli.core import errors
from prreview_cli.core.job import AttemptCost, HandBack, Lease, Posted, Standing, State
from prreview_cli.core.marker import Identity
from prreview_cli.core.pace import Pace
from prreview_cli.core.ports.host import Permit, PullRequest
from prreview_cli.core.ports.store import Capacity
from prreview_cli.core.review import Review
from prreview_cli.services import publisher as module
from prreview_cli.services.hold import Hold
from prreview_cli.services.publisher import PATIENCE_S, Publisher
from prreview_cli.services.reviewer import Record
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock, ImpatientClock, settled
from support.fakes import HEAD, NEXT_HEAD, PULL, TARGET, FakeHost, posted
from support.github_world import REVIEW

IDENTITY = Identity("test", 7, 1, HEAD, 0)
MINE = replace(REVIEW, repository_id=7, number=1, reviewed_sha=HEAD)


@dataclass
class SlowHost(FakeHost):
    """Its posts have been sent once `sent` is set, and are answered when `answer` is."""

    sent: asyncio.Event = field(default_factory=asyncio.Event)
    answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def publish(self, pull: PullRequest, review: Review, permit: Permit) -> str:
        await permit.turn()
        await permit.begin()
        self.sent.set()
        await self.answer.wait()
        self.store(review)
        return self.reviews[-1].review_id


class Bench:
    def __init__(self, host: FakeHost, clock: FakeClock | None = None) -> None:
        self.host, self.clock = host, clock or FakeClock()
        self.store = MemoryStore(clock=self.clock)

    async def lease(self) -> Lease:
        await self.store.jobs.request(TARGET, 0, self.clock.now())
        lease = await self.store.jobs.claim("w1", Capacity(4), 30, self.clock.now())
        assert lease is not None
        return lease

    async def push(self) -> None:
        await self.store.jobs.request(replace(TARGET, head_sha=NEXT_HEAD), 0, self.clock.now())

    async def publish(self, lease: Lease) -> str:
        return await Publisher(self.store, self.host, self.clock).publish(lease, PULL, MINE, IDENTITY)

    def held(self, lease: Lease) -> tuple[Hold, asyncio.Task[object]]:
        async def work(lease: Lease, record: Record) -> Posted:
            return Posted(await self.publish(lease))

        hold = Hold(lease, self.store, self.clock, 30, 100)
        return hold, asyncio.create_task(hold.run(work))


async def test_a_turn_is_waited_for_before_the_fence_is_read() -> None:
    host = FakeHost(pace=Pace(10.0, 100, 1.0))
    bench = Bench(host)
    lease = await bench.lease()
    await bench.store.turns.next(host.pace, PATIENCE_S, bench.clock.now())
    publishing = asyncio.create_task(bench.publish(lease))
    await settled()
    assert bench.clock.slept == [10.0]
    await bench.push()
    await bench.clock.advance(10)
    with pytest.raises(errors.Stopped):
        await publishing
    assert host.posts == []


async def test_posts_and_marks_are_apart() -> None:
    host = FakeHost(pace=Pace(1.0, 100, 1.0), reviews=[posted("55", NEXT_HEAD), posted("56", "d" * 40)])
    bench = Bench(host, ImpatientClock())
    await bench.publish(await bench.lease())
    assert bench.clock.slept == [1.0, 1.0]
    assert [review.outdated for review in host.reviews] == [True, True, False]


async def test_a_turn_that_is_too_far_off_is_left_to_the_queue_with_its_time() -> None:
    host = FakeHost(pace=Pace(1.0, 1, 300.0))
    bench = Bench(host)
    await bench.store.turns.next(host.pace, PATIENCE_S, bench.clock.now())
    with pytest.raises(errors.HostWritesSpent) as caught:
        await bench.publish(await bench.lease())
    assert caught.value.retry_at == bench.clock.now() + timedelta(seconds=300)
    assert (host.posts, bench.clock.slept) == ([], [])


async def test_a_post_that_was_sent_before_a_push_is_settled_as_posted() -> None:
    host = SlowHost()
    bench = Bench(host)
    lease = await bench.lease()
    _, running = bench.held(lease)
    await host.sent.wait()
    await bench.push()
    await bench.clock.advance(0.5)
    assert not running.done()
    assert await bench.store.jobs.claim("w1", Capacity(4), 30, bench.clock.now()) is None, "the newer head waits for it"
    host.answer.set()
    assert await running == Posted("100")
    await bench.store.jobs.settle(lease, Posted("100"), Record().cost, bench.clock.now())
    assert {job.head_sha: job.state for job in await bench.store.jobs.list([], None)} == {HEAD: State.POSTED, NEXT_HEAD: State.QUEUED}


async def test_a_post_that_was_sent_before_a_drain_ended_is_settled_as_posted() -> None:
    host = SlowHost()
    bench = Bench(host)
    hold, running = bench.held(await bench.lease())
    await host.sent.wait()
    hold.hand_back()
    await settled()
    assert not running.done()
    host.answer.set()
    assert await running == Posted("100")


async def test_a_post_that_is_not_answered_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.01)
    host = SlowHost()
    bench = Bench(host)
    hold, running = bench.held(await bench.lease())
    await host.sent.wait()
    hold.hand_back()
    assert isinstance(await asyncio.wait_for(running, 5), errors.Stopped)
    assert host.posts == []


async def test_a_job_that_is_taken_back_before_its_post_ends_at_once() -> None:
    host = FakeHost(pace=Pace(10.0, 100, 1.0))
    bench = Bench(host)
    lease = await bench.lease()
    await bench.store.turns.next(host.pace, PATIENCE_S, bench.clock.now())
    hold, running = bench.held(lease)
    await settled()
    hold.hand_back()
    assert isinstance(await asyncio.wait_for(running, 5), errors.Stopped)
    assert host.posts == []


async def test_a_post_whose_lease_was_lost_is_not_settled_by_its_old_worker() -> None:
    host = SlowHost()
    bench = Bench(host)
    lease = await bench.lease()
    _, running = bench.held(lease)
    await host.sent.wait()
    await bench.store.jobs.settle(lease, HandBack("Somebody else took it back."), AttemptCost(), bench.clock.now())
    await bench.clock.advance(0.5)
    host.answer.set()
    assert await running is None


async def test_a_worker_that_was_stopped_after_its_last_look_looks_again_and_posts_nothing() -> None:
    host = FakeHost()
    bench = Bench(host)
    lease = await bench.lease()
    seen = bench.store.jobs.begin_post

    async def stopped_with_the_answer(lease: Lease, now: datetime) -> Standing:
        standing = await seen(lease, now)
        await bench.store.jobs.settle(lease, HandBack("It seemed dead."), AttemptCost(), bench.clock.now())
        await bench.clock.advance(60)
        return standing

    bench.store.jobs.begin_post = stopped_with_the_answer  # type: ignore[method-assign]
    with pytest.raises(errors.Stopped):
        await bench.publish(lease)
    assert host.posts == []
