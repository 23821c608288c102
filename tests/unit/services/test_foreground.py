"""A review in the foreground, on fakes and the memory store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from prreview_cli.core import errors, retry
from prreview_cli.core.circuit import Limited, Service
from prreview_cli.core.job import Dead, Job, Lease, Outcome, Posted, Retry, Skipped, State, Superseded, Target
from prreview_cli.core.ports.store import Capacity
from prreview_cli.core.profile import Model, ReviewPolicy, Workers
from prreview_cli.core.review import ReviewStatus
from prreview_cli.services.breaker import Breaker
from prreview_cli.services.foreground import LONGEST_WAIT_S, Foreground, Result, local_target
from prreview_cli.services.hold import Work
from prreview_cli.services.kill_switch import KillSwitch
from prreview_cli.services.pulse import Pulse
from prreview_cli.services.reviewer import Record, Reviewer
from prreview_cli.services.settlement import Settlement
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock, settled
from support.fakes import BASE, HEAD, NEXT_HEAD, PULL, TARGET, FakeAgent, FakeAlerts, FakeGateway, FakeHost, FakeSnapshots, posted

WORKERS = Workers(count=1, max_attempts=3, backoff_s=1.0, lease_s=30)


@dataclass
class Bench:
    """A foreground with everything around it; `said` is what the person who waits was told."""

    clock: FakeClock = field(default_factory=FakeClock)
    host: FakeHost = field(default_factory=FakeHost)
    agent: FakeAgent = field(default_factory=FakeAgent)
    gateway: FakeGateway = field(default_factory=FakeGateway)
    alerts: FakeAlerts = field(default_factory=FakeAlerts)
    said: list[str] = field(default_factory=list)
    posts: bool = True

    def __post_init__(self) -> None:
        self.store = MemoryStore(clock=self.clock)
        self.kill_switch = KillSwitch("test", self.store.switches, self.alerts, self.clock)

    @property
    def front(self) -> Foreground:
        reviewer = Reviewer(
            environment="test",
            model=Model(name="claude-test"),
            policy=ReviewPolicy(),
            store=self.store,
            host=self.host,
            snapshots=FakeSnapshots(),
            agent=self.agent,
            gateway=self.gateway,
            clock=self.clock,
            secrets_in=lambda _: (),
            posts=self.posts,
        )
        policy = retry.Policy(WORKERS.max_attempts, WORKERS.backoff_s, WORKERS.backoff_max_s)
        breaker = Breaker("test", self.store.circuits, self.alerts, self.clock)
        settlement = Settlement("test", self.store.jobs, self.kill_switch, breaker, self.alerts, self.clock, policy, lambda: 0.5)
        pulse = Pulse("hand", 1, 0, self.store.pools, self.clock, lambda: 0)
        return Foreground(WORKERS, 0.0, self.store, reviewer, settlement, pulse, self.clock, self.said.append)

    async def review(self, target: Target = TARGET, work: Work | None = None, within_s: float = 120.0) -> Result:
        """The result, with the time moved on for as long as it takes."""
        reviewing = asyncio.create_task(self.front.review(target, work))
        await settled()
        for _ in range(int(within_s / 0.5)):
            if reviewing.done():
                break
            await self.clock.advance(0.5)
        assert reviewing.done(), "It waits for ever."
        return await reviewing

    async def job(self) -> Job:
        [job] = await self.store.jobs.list([], None)
        return job

    async def held_by_a_pool(self, target: Target) -> Lease:
        await self.store.jobs.request(target, 0, self.clock.now())
        lease = await self.store.jobs.claim("pool", Capacity(1), 300, self.clock.now())
        assert lease is not None
        return lease


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_head_is_reviewed_posted_and_told_with_its_review(bench: Bench) -> None:
    result = await bench.review()
    assert (result.status, result.review_id, result.failure, result.tries) == (ReviewStatus.COMPLETE, "100", None, 0)
    assert result.review is not None
    assert result.review.findings
    assert (await bench.job()).state is State.POSTED


async def test_a_review_that_stands_is_told_though_the_database_can_be_used_no_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def locked(_: str) -> None:
        raise errors.StoreUnusable("The database is locked.")

    monkeypatch.setattr(bench.store.pools, "leave", locked)
    assert (await bench.review()).review_id == "100"


async def test_what_another_try_may_mend_is_tried_again_under_the_same_hold(bench: Bench) -> None:
    bench.gateway.failures = [errors.ModelOverloaded("Overloaded."), errors.ModelUnreachable("Reset.")]
    result = await bench.review()
    assert (result.status, result.tries) == (ReviewStatus.COMPLETE, 2)
    assert [text.split(".")[0] for text in bench.said] == ["Overloaded", "Reset"]
    job = await bench.job()
    assert (job.claim, job.attempts) == (1, 0)


async def test_after_the_last_try_the_job_ends_and_no_pool_gets_it(bench: Bench) -> None:
    bench.gateway.failures = [errors.ModelOverloaded("Overloaded.")] * 3
    result = await bench.review()
    assert (result.status, type(result.failure), result.tries) == (ReviewStatus.FAILED, errors.ModelOverloaded, 3)
    job = await bench.job()
    assert (job.state, job.failure) == (State.SKIPPED, "model_overloaded")
    assert await bench.store.jobs.claim("pool", Capacity(4), 30, bench.clock.now() + timedelta(days=1)) is None


async def test_a_hint_to_wait_for_long_ends_it_at_once(bench: Bench) -> None:
    later = bench.clock.now() + timedelta(seconds=LONGEST_WAIT_S + 5)
    bench.gateway.failures = [errors.ModelRateLimited("Slow down.", retry_at=later)]
    result = await bench.review(within_s=5)
    assert isinstance(result.failure, errors.ModelRateLimited)


async def test_a_stored_review_is_posted_by_the_next_try_unpaid(bench: Bench) -> None:
    bench.host.publish_failures = [errors.HostUnreachable("Down.")]
    result = await bench.review()
    assert (result.review_id, len(bench.agent.looks)) == ("100", 1)


async def test_a_failure_for_the_whole_profile_pauses_it(bench: Bench) -> None:
    bench.gateway.failures = [errors.ModelKeyRejected("Invalid key.")]
    result = await bench.review()
    assert isinstance(result.failure, errors.ModelKeyRejected)
    assert (await bench.job()).state is State.SKIPPED
    with pytest.raises(errors.Paused, match="Invalid key"):
        await bench.review()


async def test_a_host_that_refuses_the_token_before_there_is_a_job_pauses_too(bench: Bench) -> None:
    async def refused() -> None:
        raise errors.HostTokenRejected("Bad credentials.")

    with pytest.raises(errors.HostTokenRejected):
        await bench.front.ask_host(refused)
    assert await bench.store.switches.paused(bench.clock.now()) is not None


async def test_a_review_that_only_the_host_knows_is_told_by_its_marker(bench: Bench) -> None:
    bench.host.reviews.append(posted("55", HEAD))
    result = await bench.review()
    assert (result.review_id, result.review, bench.agent.looks) == ("55", None, [])
    assert result.marker is not None
    assert result.status is result.marker.status


async def test_a_head_that_was_reviewed_before_is_told_from_the_store(bench: Bench) -> None:
    first, second = await bench.review(), await bench.review()
    assert (second.review_id, second.review) == (first.review_id, first.review)
    assert len(bench.agent.looks) == 1


async def test_without_posting_the_job_ends_and_its_review_is_kept(bench: Bench) -> None:
    bench.posts = False
    result = await bench.review()
    assert (result.status, result.review_id, bench.host.posts) == (ReviewStatus.COMPLETE, None, [])
    assert (await bench.job()).state is State.SKIPPED
    bench.posts = True
    assert (await bench.review()).review_id == "100"
    assert len(bench.agent.looks) == 1


async def test_a_job_that_a_delivery_asked_for_is_given_back_and_not_ended(bench: Bench) -> None:
    bench.posts = False
    await bench.store.jobs.request(TARGET, 0, bench.clock.now())
    assert (await bench.review()).status is ReviewStatus.COMPLETE
    assert (await bench.job()).state is State.QUEUED


async def test_it_waits_for_a_slot_and_says_so_once(bench: Bench) -> None:
    other = await bench.held_by_a_pool(replace(TARGET, number=2))
    reviewing = asyncio.create_task(bench.review())
    await settled(400)
    assert bench.agent.looks == []
    await bench.store.jobs.settle(other, Posted("9"), Record().cost, bench.clock.now())
    assert (await reviewing).status is ReviewStatus.COMPLETE
    assert len([text for text in bench.said if "slot" in text]) == 1


@pytest.mark.parametrize(
    ("outcome", "status", "failure"),
    [
        (Posted("77"), ReviewStatus.COMPLETE, None),
        (Skipped("It is a draft."), ReviewStatus.SKIPPED, None),
        (Superseded("Another head."), ReviewStatus.SUPERSEDED, None),
        (Dead("turn_limit", "Too many turns."), ReviewStatus.FAILED, errors.TurnLimitReached),
    ],
)
async def test_it_waits_for_the_pool_that_has_the_head_and_tells_its_outcome(
    bench: Bench, outcome: Outcome, status: ReviewStatus, failure: type[errors.Failure] | None
) -> None:
    held = await bench.held_by_a_pool(TARGET)
    reviewing = asyncio.create_task(bench.review())
    await settled(400)
    await bench.store.jobs.settle(held, outcome, Record().cost, bench.clock.now())
    result = await reviewing
    if isinstance(outcome, Posted | Dead):
        assert (result.status, result.failure and type(result.failure)) == (status, failure)
        assert bench.agent.looks == []
    else:  # it ended without a review, so it is ours to make now
        assert result.status is ReviewStatus.COMPLETE


async def test_a_head_that_waits_for_its_next_try_elsewhere_is_named_with_its_time(bench: Bench) -> None:
    held = await bench.held_by_a_pool(TARGET)
    due = bench.clock.now() + timedelta(minutes=10)
    await bench.store.jobs.settle(held, Retry("host_rate_limited", "The host asked us to wait.", due), Record().cost, bench.clock.now())
    result = await bench.review(within_s=5)
    assert isinstance(result.failure, errors.Busy)
    assert "12:10:00 UTC" in str(result.reason)


@pytest.mark.parametrize(("rest_s", "reviewed"), [(20, True), (3_600, False)])
async def test_a_circuit_that_is_shut_is_waited_out_unless_it_takes_long(bench: Bench, rest_s: float, reviewed: bool) -> None:
    now = bench.clock.now()
    await bench.store.circuits.note(Service.MODEL, Limited("Slow down.", now + timedelta(seconds=rest_s)), now)
    if reviewed:
        assert (await bench.review()).status is ReviewStatus.COMPLETE
        assert "asked to be left alone" in bench.said[0]
    else:
        with pytest.raises(errors.CircuitOpen):
            await bench.review(within_s=5)


async def test_an_older_head_than_is_known_is_superseded(bench: Bench) -> None:
    await bench.store.jobs.request(replace(TARGET, head_sha=NEXT_HEAD), 0, bench.clock.now())
    older = replace(TARGET, updated_at=TARGET.updated_at - timedelta(seconds=1))
    assert (await bench.review(older)).status is ReviewStatus.SUPERSEDED


async def test_a_newer_head_stops_it_and_is_left_to_whoever_was_told(bench: Bench) -> None:
    bench.host.pull = replace(PULL, head_sha=NEXT_HEAD)
    result = await bench.review()
    assert result.status is ReviewStatus.SUPERSEDED
    assert (await bench.job()).state is State.SUPERSEDED


async def test_an_interruption_stops_the_work_and_leaves_nothing(bench: Bench) -> None:
    never = asyncio.Event()
    stopped = asyncio.Event()

    async def work(lease: Lease, record: Record) -> Outcome:
        try:
            await never.wait()
        finally:
            stopped.set()
        raise AssertionError

    reviewing = asyncio.create_task(bench.front.review(TARGET, work))
    await settled()
    reviewing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reviewing
    assert stopped.is_set()
    assert (await bench.job()).state is State.SKIPPED
    assert await bench.store.pools.alive(bench.clock.now() - timedelta(hours=1)) == []


async def test_its_death_is_seen_and_it_is_no_pool(bench: Bench) -> None:
    seen: list[int] = []

    async def work(lease: Lease, record: Record) -> Outcome:
        seen.extend(beat.slots for beat in await bench.store.pools.alive(bench.clock.now()))
        return Skipped("Seen.")

    await bench.review(work=work)
    assert seen == [0]


async def test_a_local_range_is_a_job_of_its_own_and_anew_with_another_base(bench: Bench) -> None:
    async def work(lease: Lease, record: Record) -> Outcome:
        pull = replace(PULL, repository_id=0, number=0)
        return await bench.front.reviewer.review_range(lease, pull, lease.job.base_ref, record)

    now = bench.clock.now()
    for base, looks in ((BASE, 1), (BASE, 1), ("d" * 40, 2)):
        result = await bench.review(local_target("local/demo", HEAD, base, now), work)
        assert (result.status, result.review_id, len(bench.agent.looks)) == (ReviewStatus.COMPLETE, None, looks)
    assert bench.host.posts == []
    assert (await bench.job()).state is State.SKIPPED
