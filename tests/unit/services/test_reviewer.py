"""One review, step by step, on fakes and the memory store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from prreview_cli.core import errors
from prreview_cli.core.diff import Diff
from prreview_cli.core.job import AttemptCost, Lease, Posted, Skipped, Superseded, Target
from prreview_cli.core.ports.store import Capacity, Store
from prreview_cli.core.profile import Model, ReviewPolicy
from prreview_cli.core.review import ReviewStatus, Severity
from prreview_cli.services.reviewer import Record, Reviewer
from prreview_cli.store.memory import MemoryStore
from support.clocks import ImpatientClock
from support.fakes import (
    HEAD,
    NEXT_HEAD,
    TARGET,
    FakeAgent,
    FakeGateway,
    FakeHost,
    FakeSnapshot,
    FakeSnapshots,
    posted,
)


@dataclass
class Bench:
    """A reviewer with everything around it, each part open to a test."""

    clock: ImpatientClock = field(default_factory=ImpatientClock)
    host: FakeHost = field(default_factory=FakeHost)
    agent: FakeAgent = field(default_factory=FakeAgent)
    gateway: FakeGateway = field(default_factory=FakeGateway)
    snapshots: FakeSnapshots = field(default_factory=FakeSnapshots)
    policy: ReviewPolicy = field(default_factory=ReviewPolicy)
    leaks: Sequence[str] = ()
    record: Record = field(default_factory=Record)

    def __post_init__(self) -> None:
        self.store: Store = MemoryStore(clock=self.clock)

    async def lease(self, target: Target = TARGET) -> Lease:
        await self.store.jobs.request(target, 0, self.clock.now())
        lease = await self.store.jobs.claim("w1", Capacity(4), 30, self.clock.now())
        assert lease is not None
        return lease

    @property
    def reviewer(self) -> Reviewer:
        return Reviewer(
            environment="test",
            model=Model(name="claude-test"),
            policy=self.policy,
            store=self.store,
            host=self.host,
            snapshots=self.snapshots,
            agent=self.agent,
            gateway=self.gateway,
            clock=self.clock,
            secrets_in=lambda _: self.leaks,
            notes=("A note.",),
        )

    async def review(self, lease: Lease) -> object:
        return await self.reviewer.review(lease, self.record)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_a_review_is_stored_and_then_posted_with_its_cost(bench: Bench) -> None:
    lease = await bench.lease()
    stored_at_post: list[object] = []

    async def peek() -> None:
        stored_at_post.append(await bench.store.reviews.of(lease.job.id))

    original = bench.host.publish

    async def publish(pull, review, permit):
        await peek()
        return await original(pull, review, permit)

    bench.host.publish = publish  # type: ignore[method-assign]
    assert await bench.review(lease) == Posted("100")
    [review] = bench.host.posts
    assert stored_at_post == [review]
    assert (review.status, review.reviewed_sha, review.run, review.notes) == (ReviewStatus.COMPLETE, HEAD, 0, ("A note.",))
    assert bench.record.cost == AttemptCost(2, 0.01)


async def test_a_review_that_the_host_already_shows_is_not_paid_for(bench: Bench) -> None:
    bench.host.reviews.append(posted("55", HEAD))
    outcome = await bench.review(await bench.lease())
    assert isinstance(outcome, Posted)
    assert outcome.review_id == "55"
    assert bench.agent.looks == []


async def test_a_database_restored_from_yesterdays_backup_pays_for_nothing_that_the_host_shows(bench: Bench) -> None:
    assert await bench.review(await bench.lease()) == Posted("100")
    bench.store = MemoryStore(clock=bench.clock)
    outcome = await bench.review(await bench.lease())
    assert isinstance(outcome, Posted)
    assert outcome.review_id == "100"
    assert (len(bench.agent.looks), len(bench.host.posts)) == (1, 1)


async def test_a_stored_review_is_posted_without_asking_the_model_again(bench: Bench) -> None:
    bench.host.publish_failures.append(errors.HostUnreachable("Down."))
    lease = await bench.lease()
    with pytest.raises(errors.HostUnreachable):
        await bench.review(lease)
    assert await bench.review(lease) == Posted("100")
    assert len(bench.agent.looks) == 1


async def test_a_push_during_the_look_that_no_webhook_told_of_is_not_posted_over(bench: Bench) -> None:
    def pushed() -> None:
        bench.host.pull = replace(bench.host.pull, head_sha=NEXT_HEAD)

    bench.agent.on_look = pushed
    outcome = await bench.review(await bench.lease())
    assert isinstance(outcome, Superseded)
    assert outcome.live is not None
    assert (outcome.live.head_sha, bench.host.posts) == (NEXT_HEAD, [])


async def test_a_review_that_was_stored_for_another_base_is_made_anew(bench: Bench) -> None:
    bench.host.publish_failures.append(errors.PostRefused("Not now."))
    lease = await bench.lease()
    with pytest.raises(errors.PostRefused):
        await bench.review(lease)
    await bench.store.jobs.settle(lease, Skipped("Closed."), AttemptCost(), bench.clock.now())
    assert await bench.review(await bench.lease(replace(TARGET, base_ref="next"))) == Posted("100")
    assert len(bench.agent.looks) == 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"open": False}, Skipped("The pull request is closed.")),
        ({"draft": True}, Skipped("The pull request is a draft.")),
    ],
)
async def test_a_pull_request_that_should_not_be_reviewed_any_more_is_skipped(
    bench: Bench, change: dict[str, bool], expected: Skipped
) -> None:
    bench.host.pull = replace(bench.host.pull, **change)  # type: ignore[arg-type]
    assert await bench.review(await bench.lease()) == expected
    assert bench.agent.looks == []


async def test_a_draft_is_reviewed_where_the_profile_says_so(bench: Bench) -> None:
    bench.policy = ReviewPolicy(skip_drafts=False)
    bench.host.pull = replace(bench.host.pull, draft=True)
    assert await bench.review(await bench.lease()) == Posted("100")


async def test_a_head_that_moved_is_superseded_by_the_live_one(bench: Bench) -> None:
    bench.host.pull = replace(bench.host.pull, head_sha=NEXT_HEAD)
    outcome = await bench.review(await bench.lease())
    assert isinstance(outcome, Superseded)
    assert outcome.live is not None
    assert (outcome.live.head_sha, outcome.live.admitted) == (NEXT_HEAD, True)
    assert bench.agent.looks == []


async def test_a_stranger_is_refused_only_after_the_host_was_asked(bench: Bench) -> None:
    bench.host.pull = replace(bench.host.pull, author_association="CONTRIBUTOR")
    lease = await bench.lease(replace(TARGET, admitted=False))
    outcome = await bench.review(lease)
    assert isinstance(outcome, Skipped)
    assert outcome.unadmitted
    bench.host.writers.add("alice")
    assert await bench.review(lease) == Posted("100")


async def test_a_label_admits_its_head_but_not_the_next_one(bench: Bench) -> None:
    bench.host.pull = replace(bench.host.pull, head_sha=NEXT_HEAD, author_association="NONE")
    outcome = await bench.review(await bench.lease(TARGET))
    assert isinstance(outcome, Superseded)
    assert outcome.live is not None
    assert not outcome.live.admitted


async def test_what_the_gateway_saw_counts_more_than_what_the_agent_says(bench: Bench) -> None:
    bench.gateway.failures.append(errors.ModelKeyRejected("401."))
    bench.agent.raises = errors.AgentCrashed("It ended.")
    with pytest.raises(errors.ModelKeyRejected):
        await bench.review(await bench.lease())
    assert bench.host.posts == []


async def test_no_submission_is_a_failure_and_never_a_clean_review(bench: Bench) -> None:
    bench.agent.submission = None
    lease = await bench.lease()
    with pytest.raises(errors.NoSubmission):
        await bench.review(lease)
    assert await bench.store.reviews.of(lease.job.id) is None
    assert bench.host.posts == []


async def test_a_review_that_holds_a_secret_is_neither_stored_nor_posted(bench: Bench) -> None:
    bench.leaks = ["model_api_key"]
    lease = await bench.lease()
    with pytest.raises(errors.SecretInReview):
        await bench.review(lease)
    assert await bench.store.reviews.of(lease.job.id) is None
    assert bench.host.posts == []


async def test_a_push_during_the_review_keeps_the_older_one_from_being_posted(bench: Bench) -> None:
    lease = await bench.lease()
    await bench.store.reviews.of(lease.job.id)

    async def push() -> None:
        await bench.store.jobs.request(replace(TARGET, head_sha=NEXT_HEAD), 0, bench.clock.now())

    original = bench.agent.look

    async def look(*args: object) -> None:
        await original(*args)  # type: ignore[arg-type]
        await push()

    bench.agent.look = look  # type: ignore[method-assign]
    with pytest.raises(errors.Stopped):
        await bench.review(lease)
    assert bench.host.posts == []


async def test_a_paused_profile_posts_nothing(bench: Bench) -> None:
    lease = await bench.lease()
    await bench.store.switches.pause("By hand.", bench.clock.now())
    with pytest.raises(errors.Paused):
        await bench.review(lease)
    assert bench.host.posts == []


async def test_a_post_whose_answer_was_lost_is_found_and_not_repeated(bench: Bench) -> None:
    bench.host.publish_failures.append(errors.AmbiguousPost("The answer was lost."))
    bench.host.stores_despite = True
    assert await bench.review(await bench.lease()) == Posted("100")
    assert len(bench.host.posts) == 1


async def test_a_lost_post_is_looked_for_twice_before_the_attempt_gives_up(bench: Bench) -> None:
    bench.host.publish_failures.append(errors.AmbiguousPost("The answer was lost."))
    with pytest.raises(errors.AmbiguousPost):
        await bench.review(await bench.lease())
    assert bench.clock.slept == [0.0, 10.0]


async def test_a_commit_that_left_the_pull_request_is_superseded_and_not_dead(bench: Bench) -> None:
    lease = await bench.lease()
    bench.host.publish_failures.append(errors.PostRefused("end_commit_oid is not part of the pull request"))

    def force_push() -> None:
        bench.host.pull = replace(bench.host.pull, head_sha=NEXT_HEAD)

    bench.host.on_publish = force_push
    outcome = await bench.review(lease)
    assert isinstance(outcome, Superseded)


async def test_an_earlier_review_is_marked_outdated_after_the_newer_one_stands(bench: Bench) -> None:
    bench.host.reviews.append(posted("55", NEXT_HEAD))
    assert await bench.review(await bench.lease()) == Posted("101")
    assert [review.outdated for review in bench.host.reviews] == [True, False]


async def test_a_worker_that_died_between_its_post_and_the_notice_on_the_earlier_review_leaves_it_to_the_next(bench: Bench) -> None:
    bench.host.reviews += [posted("55", NEXT_HEAD), posted("77", HEAD)]
    outcome = await bench.review(await bench.lease())
    assert isinstance(outcome, Posted)
    assert outcome.review_id == "77"
    assert [review.outdated for review in bench.host.reviews] == [True, False]


async def test_findings_below_the_threshold_are_left_out(bench: Bench) -> None:
    bench.policy = ReviewPolicy(min_severity="error")
    bench.agent.submission = replace(
        bench.agent.submission,  # type: ignore[type-var]
        findings=tuple(replace(f, severity=Severity(s)) for f in bench.agent.submission.findings for s in ("info", "error")),  # type: ignore[union-attr]
    )
    await bench.review(await bench.lease())
    assert [str(finding.severity) for finding in bench.host.posts[0].findings] == ["error"]


async def test_a_pull_request_without_a_change_is_skipped(bench: Bench) -> None:
    bench.snapshots.snapshot = FakeSnapshot(diff=Diff(()))
    assert await bench.review(await bench.lease()) == Skipped("The pull request changes no file.")
    assert bench.agent.looks == []
