"""The queue and its database under attack: threats 14 to 22. What is critical takes its control away as well, and is then hurt."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import respx

from prreview_cli.audit import Search
from prreview_cli.core import errors
from prreview_cli.core.events import Cancel
from prreview_cli.core.job import AttemptCost, Dead, Lease, Posted, Standing, State, Superseded
from prreview_cli.core.ports.host import PullRequest
from prreview_cli.core.ports.store import Caps
from prreview_cli.core.profile import Host, Model, ReviewPolicy
from prreview_cli.core.retry import Policy, decide
from prreview_cli.hosts.github.app import AppAccess
from prreview_cli.hosts.github.auth import Lent, Place, TokenAccess
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.sandbox.scratch import scratch
from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.services.reviewer import Record, Reviewer
from prreview_cli.trials.simulators import small_project
from prreview_cli.trials.simulators.behaviours import held, reviewer
from prreview_cli.trials.simulators.loopback import Gate
from support.clocks import FakeClock
from support.fakes import HEAD, NEXT_HEAD, TARGET, FakeAgent, FakeGateway, FakeHost, FakeSnapshots, at_once
from support.github_app import APP_ID, AppWorld, private_key
from support.github_world import API, PULL, REVIEW, TOKEN, GitHubWorld
from support.ingress import body, ingress
from support.stage import Stage
from support.stores import Bench, bench, sha

HOSTILE = (
    "'; DROP TABLE job; --",
    '" OR 1=1 --',
    "main'); DELETE FROM delivery; VACUUM; --",
    "%s %d {} :name ?1 $1 @x",
    "a\\' UNION SELECT value FROM meta --",
    "\N{FULLWIDTH APOSTROPHE} OR 1=1; \N{RIGHT SINGLE QUOTATION MARK}--",
    "back`tick` [bracket]",
    "x" * 1000,
)
CAPS = Caps(2.0, 10.0, 50.0)


# -- 14: SQL ----------------------------------------------------------------------------------------


async def test_threat_14_text_of_strangers_comes_back_from_the_database_as_it_went_in(tmp_path):
    async with ingress(tmp_path) as door:
        for number, text in enumerate(HOSTILE, 1):
            pull = {"number": number, "title": text, "base": {"ref": text}, "head": {"sha": sha(str(number)), "ref": text}}
            answered = await door.post(body(pull=pull, action="opened"), x_github_delivery=text.encode("ascii", "replace").decode())
            assert answered.json["status"] == "queued", text
        assert door.rows() == {"delivery": len(HOSTILE), "job": len(HOSTILE)}
        assert {job.base_ref for job in await door.store.jobs.list((), None)} == set(HOSTILE)

    async with bench("sqlite", tmp_path / "store") as at:
        for text in HOSTILE:
            job = await at.pushed(sha(text)[:8], repository=text, number=1, author=text, base_ref=text)
            assert ((await at.job(job)).repository, (await at.job(job)).author) == (text, text)
            assert [kept.id for kept in (await at.jobs.history(text, 1)).jobs][-1] == job
            assert await at.jobs.get(text) is None
            await at.accept(Cancel(7, text, 1, at.now, text), name=text[:128])
            assert ((await at.job(job)).state, (await at.job(job)).reason) == (State.SKIPPED, text)
            assert await at.store.switches.pause(text, at.now)
            ended = await at.store.switches.resume(at.now)
            assert ended is not None
            assert ended.reason == text
            await at.store.switches.remember(text, text)
            assert await at.store.switches.remembered(text) == text


# -- 15: who can read it ----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
async def test_threat_15_all_of_the_state_is_for_its_owner_alone_while_it_runs_and_afterwards(tmp_path):
    def open_to_others() -> list[str]:
        found = [(path, path.lstat().st_mode & 0o777) for path in (state, *state.rglob("*")) if not path.is_symlink()]
        return [f"{path.name} {mode:o}" for path, mode in found if mode & 0o077]

    state = tmp_path / "state"
    careless = ("/bin/sh", "-c", 'umask 000; exec "$@"', "sh")
    with Stage(tmp_path, workers=1, wrapper=careless) as stage:
        gate = Gate()
        stage.model.script = held(gate, reviewer(turns=2))
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await stage.model.watch.until(lambda: bool(stage.model.requests), 30)
            names = {path.name for path in state.rglob("*")}
            assert {"queue.db", "queue.db-wal", "queue.db-shm"} <= names
            assert open_to_others() == []
            gate.open()
            await stage.posted(1)
            assert await served.terminate() == 0
        assert open_to_others() == []


# -- 16: a job that kills ---------------------------------------------------------------------------


async def test_threat_16_a_job_that_kills_its_workers_is_dead_after_n_the_next_one_runs_and_a_restart_changes_nothing(tmp_path):
    async with bench("sqlite", tmp_path) as at:
        poison = await at.pushed("poison")
        other = await at.pushed("other", number=2)
        taken = []
        for _ in range(3):
            taken.append((await at.claimed()).job.id)
            await at.silence(30, max_attempts=2)  # whoever held it says nothing any more
            if (lease := await at.claim()) is not None:
                taken.append(lease.job.id)
                if lease.job.id == other:
                    assert await at.settle(lease, Posted("r-1"))
                else:
                    await at.silence(30, max_attempts=2)
            if await at.state(poison) is State.DEAD:
                break
        dead = await at.job(poison)
        assert (dead.state, dead.failure, dead.attempts, taken.count(poison)) == (State.DEAD, "worker_died", 2, 2)
        assert await at.state(other) is State.POSTED

    async with bench("sqlite", tmp_path) as again:
        assert await again.job(poison) == dead
        assert await again.claim() is None


@pytest.mark.parametrize(
    "failure", [errors.AgentCrashed("It ended."), errors.Internal("A bug."), errors.SnapshotFailed("No."), ValueError("x")]
)
def test_threat_16_no_failure_is_tried_for_ever(failure: Exception):
    if not isinstance(failure, errors.Failure):
        failure = errors.Internal(str(failure))
    policy = Policy(5, 1.0, 300.0)
    verdicts = [decide(failure, attempts, policy, datetime(2026, 11, 24, tzinfo=UTC), lambda: 0.5) for attempts in range(5)]
    assert [isinstance(verdict.outcome, Dead) for verdict in verdicts] == [False, False, False, False, True]


# -- 17: another repository's token -----------------------------------------------------------------


@asynccontextmanager
async def app_of_two() -> AsyncIterator[tuple[GitHubWorld, AppAccess, GitHubHost]]:
    clock = FakeClock()
    app = AppWorld(clock.now, lambda: {7: "octo/demo", 8: "octo/other"})
    world = GitHubWorld(app=app)
    config = Host(api_url=API, auth="app", app_id=APP_ID, repositories=("octo/*",))
    access = AppAccess(config, lambda: Secret(private_key()), clock, str, lambda *_: None)
    with respx.mock(assert_all_called=False) as router:
        router.route(host="api.github.test").mock(side_effect=world)
        host = GitHubHost(config, access, "test", clock, str)
        yield world, access, host
        await host.close()


@pytest.mark.without("the look at whose token it is")
async def test_threat_17_a_token_is_for_one_repository_and_another_ones_is_refused_before_the_network(monkeypatch):
    async with app_of_two() as (world, access, host):
        theirs = await access.to(Place(8, "octo/other"))
        assert world.app is not None
        assert world.app.asked[-1]["repository_ids"] == [8]
        assert world.app.minted[theirs.secret.reveal()] == {8}
        await host.identify()

        async def swapped(_: Place) -> Lent:
            return theirs

        monkeypatch.setattr(access, "to", swapped)
        before = len(world.seen)
        for ask in (host.our_reviews(PULL), host.publish(PULL, REVIEW, at_once), host.merge_base(PULL)):
            with pytest.raises(errors.RepositoryReplaced, match="nothing was sent"):
                await ask
        assert len(world.seen) == before

        monkeypatch.setattr(Lent, "expect", lambda *_: None)
        with pytest.raises(errors.Failure):
            await host.our_reviews(PULL)
        assert len(world.seen) > before
        assert theirs.secret.reveal() in world.headers[-1]["authorization"], "the other repository's token went out"


async def test_threat_17_a_job_whose_id_was_changed_meets_no_repository_of_that_name():
    async with app_of_two() as (world, _, host):
        for id_, name in ((8, "octo/demo"), (7, "octo/other")):
            with pytest.raises(errors.RepositoryReplaced):
                await host.pull_request(id_, name, 3)
        assert not any("/pulls/" in path for _, path in world.seen)


# -- 18: a name with another repository behind it ---------------------------------------------------


async def test_threat_18_a_repository_that_was_replaced_under_its_name_is_not_read():
    world, clock = GitHubWorld(), FakeClock()
    with respx.mock(assert_all_called=False) as router:
        router.route(host="api.github.test").mock(side_effect=world)
        host = GitHubHost(Host(api_url=API), TokenAccess(lambda: Secret(TOKEN)), "test", clock, str)
        assert (await host.pull_request(7, "octo/demo", 3)).repository_id == 7
        world.repository_id = 8
        with pytest.raises(errors.RepositoryReplaced):
            await host.pull_request(7, "octo/demo", 3)
        await host.close()
    assert not any(method == "POST" for method, _ in world.seen)


@pytest.mark.without("the look at the id before the post")
async def test_threat_18_a_repository_that_is_replaced_during_the_review_is_not_posted_to(tmp_path, monkeypatch):
    async with bench("sqlite", tmp_path) as at:
        desk = Desk(at)

        async def replaced() -> None:
            desk.host.pull_failures.append(errors.RepositoryReplaced("octo/demo now names the repository 8."))

        await desk.target()
        lease = await at.claimed()
        with pytest.raises(errors.RepositoryReplaced):
            await desk.review(lease, replaced)
        assert desk.host.posts == []

        async def credulous(*_: object) -> PullRequest:
            return desk.host.pull

        monkeypatch.setattr(desk.host, "pull_request", credulous)
        assert isinstance(await desk.review(lease, replaced), Posted)


# -- 19 and 20: a head that moved, a lease that is over ---------------------------------------------


class Desk:
    """A reviewer on a store, a host and an agent; `during` happens while the agent looks."""

    def __init__(self, at: Bench) -> None:
        self.at, self.host, self.agent = at, FakeHost(), FakeAgent()

    async def target(self, head: str = HEAD) -> None:
        await self.at.jobs.request(replace(TARGET, head_sha=head), 0, self.at.now)

    async def review(self, lease: Lease, during: Any = None) -> object:
        look = self.agent.look

        async def looking(*given: Any) -> None:
            await look(*given)
            if during is not None:
                await during()

        agent = FakeAgent()
        agent.look = looking  # type: ignore[method-assign]
        reviewing = Reviewer(
            environment="test",
            model=Model(name="claude-test"),
            policy=ReviewPolicy(),
            store=self.at.store,
            host=self.host,
            snapshots=FakeSnapshots(),
            agent=agent,
            gateway=FakeGateway(),
            clock=self.at.clock,
            secrets_in=lambda _: (),
            notes=(),
        )
        return await reviewing.review(lease, Record())


@pytest.mark.parametrize("shown", [True, False], ids=["the host shows it", "the host lags behind its webhook"])
async def test_threat_19_after_a_push_nothing_is_posted_for_the_older_head(tmp_path, shown):
    async with bench("sqlite", tmp_path) as at:
        desk = Desk(at)
        await desk.target()
        older = await at.claimed()

        async def push() -> None:
            await desk.target(NEXT_HEAD)
            if shown:
                desk.host.pull = replace(desk.host.pull, head_sha=NEXT_HEAD)

        if shown:
            assert isinstance(await desk.review(older, push), Superseded)
        else:
            with pytest.raises(errors.Stopped):
                await desk.review(older, push)
        desk.host.pull = replace(desk.host.pull, head_sha=NEXT_HEAD)
        assert desk.host.posts == []
        assert await at.jobs.standing(older) is Standing.SUPERSEDED
        assert await at.settle(older, Superseded("The head moved."))
        newer = await at.claimed()
        assert isinstance(await desk.review(newer), Posted)
        assert newer.job.head_sha == NEXT_HEAD
        assert len(desk.host.posts) == 1


async def test_threat_19_a_review_is_posted_on_the_commit_that_was_read_and_no_other():
    world, clock = GitHubWorld(), FakeClock()
    with respx.mock(assert_all_called=False) as router:
        router.route(host="api.github.test").mock(side_effect=world)
        host = GitHubHost(Host(api_url=API), TokenAccess(lambda: Secret(TOKEN)), "test", clock, str)
        await host.publish(PULL, REVIEW, at_once)
        await host.close()
    [sent] = [content for (method, _), content in zip(world.seen, world.bodies, strict=True) if method == "POST"]
    assert (sent["commit_id"], sent["event"]) == (REVIEW.reviewed_sha, "COMMENT")


async def test_threat_20_of_two_workers_on_one_job_the_one_whose_lease_is_over_writes_and_posts_nothing(tmp_path, monkeypatch):
    async with bench("sqlite", tmp_path) as at:
        desk = Desk(at)
        await desk.target()
        stale = await at.claimed("stopped")

        async def stopped_past_the_lease() -> None:
            assert [job.id for job in await at.silence(30)] == [stale.job.id]
            second = await at.claimed("second")
            assert second.job.claim > stale.job.claim
            outcome = await Desk.review(desk, second)
            assert isinstance(outcome, Posted)
            assert await at.settle(second, outcome)

        with pytest.raises(errors.Stopped):
            await desk.review(stale, stopped_past_the_lease)
        assert len(desk.host.posts) == 1

        before = await at.job(stale.job.id)
        assert await at.jobs.renew(stale, 30) is Standing.LOST
        assert await at.jobs.begin(stale, at.now) is Standing.LOST
        assert not await at.store.reviews.store(stale, REVIEW, at.now)
        assert not await at.settle(stale, Posted("r-2"), AttemptCost())
        with pytest.raises(errors.Stopped):
            await at.store.spend.reserve(stale, 0.1, CAPS, at.now)
        assert await at.job(stale.job.id) == before


# -- 21: what is left of a pull request -------------------------------------------------------------


def held_in(folder: Path, text: str) -> list[str]:
    search = Search(Matcher({"canary": Secret(text)}, ()))
    search.path(folder)
    assert search.report.not_scanned == []
    return sorted({Path(finding.source).name for finding in search.report.findings})


async def test_threat_21_nothing_of_the_code_is_left_in_the_state_folder_after_its_job(tmp_path):
    change = small_project.pull_request(1)
    lines = [line.strip() for text in change.files.values() if text for line in text.splitlines()]
    canary = max((line for line in lines if line.startswith("return ")), key=len)
    with Stage(tmp_path, workers=1) as stage:
        gate = Gate()
        stage.model.script = held(gate, reviewer(turns=2))
        state = tmp_path / "state"
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await stage.model.watch.until(lambda: bool(stage.model.requests), 30)
            assert any("objects" in path.parts for path in state.rglob("*")), "while it runs the commits are there"
            gate.open()
            await stage.posted(1)
            assert await served.terminate() == 0
        assert not any("objects" in path.parts for path in state.rglob("*"))
        assert held_in(state, canary) == []
        (state / "planted").write_text(f"x {canary} x")
        assert held_in(state, canary) == ["planted"]


# -- 22: planted links ------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes of POSIX")
async def test_threat_22_a_planted_link_is_not_followed_and_a_folder_that_others_can_write_is_refused(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "kept").write_text("kept")
    root = tmp_path / "scratch"
    root.mkdir(mode=0o700)
    (root / "tmpabcdefgh").symlink_to(precious)
    abandoned = root / "tmpijklmnop"
    abandoned.mkdir()
    (abandoned / "owner").symlink_to(precious / "overwritten")
    with scratch(root) as first, scratch(root) as second:
        assert first != second
        assert first.lstat().st_mode & 0o777 == 0o700
        assert not first.is_symlink()
    assert (precious / "kept").read_text() == "kept"
    assert not (precious / "overwritten").exists()

    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (shared / "state").symlink_to(precious)
    with Stage(tmp_path, changes={"state": {"dir": str(shared / "state")}}) as stage:
        code, _, said = await stage.run("serve", "--port", "0", "--ops-port", "0", "--workers", "0")
        assert code == 2, said
        assert "state folder is not safe" in said
    assert [path.name for path in precious.iterdir()] == ["kept"]
