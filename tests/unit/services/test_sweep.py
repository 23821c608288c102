"""Which open pull requests a sweep queues, and how it ends when the host fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from prreview_cli.core import errors
from prreview_cli.core.job import AttemptCost, Dead, Outcome, Posted, Skipped, State, Superseded
from prreview_cli.core.ports.host import PullRequest, SeenRepository
from prreview_cli.core.ports.store import Capacity
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.services.sweep import PRIORITY, Catch, Sweep, is_name
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock
from support.fakes import NEXT_HEAD, NOON, PULL


@dataclass
class ListingHost:
    """Repositories by name, each with its open pull requests or the failure that comes after them."""

    pulls: dict[str, list[PullRequest | errors.Failure]] = field(default_factory=dict)
    listing: errors.Failure | None = None
    asked: list[str] = field(default_factory=list)

    async def repositories(self) -> list[SeenRepository]:
        self.asked.append("*")
        if self.listing is not None:
            raise self.listing
        return [SeenRepository(place, name) for place, name in enumerate(self.pulls, 1)]

    async def open_pull_requests(self, repository: str) -> AsyncIterator[PullRequest]:
        self.asked.append(repository)
        for pull in self.pulls.get(repository, [errors.RepositoryForbidden("It is not there.")]):
            if isinstance(pull, errors.Failure):
                raise pull
            yield pull


class Case:
    def __init__(self, *pulls: PullRequest | errors.Failure, repositories: tuple[str, ...] = ("octo/demo",), **policy: Any) -> None:
        self.clock = FakeClock(NOON + timedelta(hours=1))
        self.store = MemoryStore(self.clock)
        self.host = ListingHost({"octo/demo": list(pulls)})
        self.sweep = Sweep(self.host, self.store, ReviewPolicy(**policy), repositories, self.clock)

    async def run(self, *, dry_run: bool = False) -> Catch:
        return await self.sweep.run(await self.sweep.covered(), dry_run=dry_run)

    async def statuses(self, *, dry_run: bool = False) -> list[str]:
        return [each.answer.status.value for each in (await self.run(dry_run=dry_run)).swept]

    async def end_with(self, outcome: Outcome) -> None:
        """Take the next job and end it so, now."""
        lease = await self.store.jobs.claim("w1", Capacity(4), 30, self.clock.now())
        assert lease is not None
        assert await self.store.jobs.settle(lease, outcome, AttemptCost(), self.clock.now())

    async def states(self) -> list[State]:
        return [job.state for job in await self.store.jobs.list([], None)]


async def test_an_open_pull_request_without_a_job_is_queued_behind_every_webhook() -> None:
    case = Case(PULL)
    (swept,) = (await case.run()).swept
    assert (swept.repository, swept.number, swept.head_sha, swept.answer.status) == ("octo/demo", 1, PULL.head_sha, "queued")
    (job,) = await case.store.jobs.list([], None)
    assert (job.id, job.priority, job.admitted, job.author) == (swept.answer.job, PRIORITY, True, "alice")
    assert PRIORITY < 0


async def test_a_head_with_a_waiting_a_running_or_a_posted_job_is_a_duplicate() -> None:
    case = Case(PULL)
    await case.run()
    assert await case.statuses() == ["duplicate"]
    lease = await case.store.jobs.claim("w1", Capacity(4), 30, case.clock.now())
    assert lease is not None
    assert await case.statuses() == ["duplicate"]
    await case.store.jobs.settle(lease, Posted("r-1"), AttemptCost(), case.clock.now())
    assert await case.statuses() == ["duplicate"]
    assert await case.states() == [State.POSTED]


async def test_a_new_head_is_queued_and_supersedes_the_older_ones_job() -> None:
    case = Case(PULL)
    await case.run()
    case.host.pulls["octo/demo"] = [replace(PULL, head_sha=NEXT_HEAD, updated_at=NOON + timedelta(minutes=1))]
    assert await case.statuses() == ["queued"]
    assert await case.states() == [State.QUEUED, State.SUPERSEDED]


async def test_drafts_and_our_own_are_ignored_as_a_webhook_would_be() -> None:
    case = Case(replace(PULL, draft=True), replace(PULL, number=2, author="prreview-bot"))
    await case.store.switches.remember_login("PRreview-bot")
    assert await case.statuses() == ["ignored", "ignored"]
    assert await Case(replace(PULL, draft=True), skip_drafts=False).statuses() == ["queued"]


async def test_a_stranger_is_queued_unadmitted_so_that_the_worker_asks() -> None:
    case = Case(replace(PULL, author_association="NONE"))
    assert await case.statuses() == ["queued"]
    (job,) = await case.store.jobs.list([], None)
    assert not job.admitted


async def test_a_policy_without_pushes_sweeps_no_pushes() -> None:
    case = Case(PULL, actions=("opened",))
    assert await case.statuses() == ["queued"]
    case.host.pulls["octo/demo"] = [replace(PULL, head_sha=NEXT_HEAD, updated_at=NOON + timedelta(minutes=1))]
    assert await case.statuses() == ["ignored"]


async def test_a_dead_job_is_left_to_its_operator() -> None:
    case = Case(PULL)
    await case.run()
    await case.end_with(Dead("turn_limit", "It used all its turns."))
    case.host.pulls["octo/demo"] = [replace(PULL, updated_at=NOON + timedelta(days=1))]
    (swept,) = (await case.run()).swept
    assert swept.answer.status == "ignored"
    assert f"`prreview jobs retry {swept.answer.job}`" in swept.answer.reason
    assert await case.states() == [State.DEAD]


@pytest.mark.parametrize("outcome", [Skipped("The pull request is closed."), Superseded("The pull request has another head now.")])
async def test_what_ended_without_a_review_is_asked_for_again_once_the_pull_request_has_changed(outcome: Outcome) -> None:
    case = Case(PULL)
    await case.run()
    await case.end_with(outcome)
    assert await case.statuses(dry_run=True) == ["ignored"]
    assert await case.statuses() == ["ignored"]
    case.host.pulls["octo/demo"] = [replace(PULL, updated_at=case.clock.now())]
    assert await case.statuses(dry_run=True) == ["queued"]
    assert await case.statuses() == ["queued"]
    assert await case.states() == [State.QUEUED]


async def test_a_dry_run_says_the_same_and_queues_nothing() -> None:
    case = Case(PULL, replace(PULL, number=2), replace(PULL, number=3, draft=True))
    assert await case.statuses(dry_run=True) == ["queued", "queued", "ignored"]
    assert await case.states() == []
    assert await case.statuses() == ["queued", "queued", "ignored"]
    assert await case.statuses(dry_run=True) == ["duplicate", "duplicate", "ignored"]


async def test_the_host_lists_only_where_a_glob_asks_for_it() -> None:
    named = Case(PULL, repositories=("octo/demo", "Octo/Demo", "acme/tool"))
    assert await named.sweep.covered() == ["octo/demo", "acme/tool"]
    assert named.host.asked == []
    for globs, expected in {
        (): ["octo/demo", "acme/x"],
        ("octo/*",): ["octo/demo"],
        ("acme/y", "octo/d[e]mo"): ["acme/y", "octo/demo"],
    }.items():
        case = Case(PULL, repositories=globs)
        case.host.pulls["acme/x"] = []
        assert await case.sweep.covered() == expected
        assert case.host.asked == ["*"]


async def test_a_token_that_may_not_list_is_told_what_to_do() -> None:
    case = Case(repositories=("octo/*",))
    case.host.listing = errors.RepositoryForbidden("The code host answered 403.")
    with pytest.raises(errors.RepositoryForbidden) as caught:
        await case.sweep.covered()
    assert "without wildcards" in caught.value.remedy


async def test_a_repository_that_fails_keeps_no_other_from_being_swept() -> None:
    case = Case(PULL, errors.HostUnreachable("The code host answered 502."), repositories=("octo/gone", "octo/demo", "octo/last"))
    case.host.pulls["octo/last"] = [replace(PULL, repository="octo/last", repository_id=9)]
    catch = await case.run()
    assert [(each.repository, each.answer.status.value) for each in catch.swept] == [("octo/demo", "queued"), ("octo/last", "queued")]
    assert [(each.repository, each.failure.kind) for each in catch.failed] == [
        ("octo/gone", "repository_forbidden"),
        ("octo/demo", "host_unreachable"),
    ]
    assert (catch.repositories, catch.unasked) == (1, [])


@pytest.mark.parametrize("failure", [errors.HostTokenRejected("401"), errors.HostRateLimited("429")])
async def test_a_dead_token_or_a_rate_limit_ends_the_sweep(failure: errors.Failure) -> None:
    case = Case(failure, repositories=("octo/demo", "octo/b", "octo/c"))
    catch = await case.run()
    assert case.host.asked == ["octo/demo"]
    assert [each.failure for each in catch.failed] == [failure]
    assert catch.unasked == ["octo/b", "octo/c"]


async def test_a_host_that_is_down_is_not_asked_for_every_repository() -> None:
    names = tuple(f"octo/r{place}" for place in range(9))
    case = Case(repositories=names)
    case.host.pulls = {name: [errors.HostUnreachable("Nobody answers.")] for name in names}
    catch = await case.run()
    assert case.host.asked == list(names[:3])
    assert catch.unasked == list(names[3:])


async def test_a_repository_that_took_a_known_name_is_another_one() -> None:
    case = Case(PULL)
    await case.run()
    case.host.pulls["octo/demo"] = [replace(PULL, repository_id=8)]
    assert await case.statuses() == ["queued"]


@pytest.mark.parametrize(
    ("text", "expected"), [("octo/demo", True), ("octo/*", False), ("octo", False), ("octo/..", False), ("../x", False), ("o/a!b", False)]
)
def test_a_name_is_told_from_a_glob(text: str, *, expected: bool) -> None:
    assert is_name(text) is expected
