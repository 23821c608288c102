"""Posted once, through real HTTP: answers that are lost after or before the write was stored, and what was left lying there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from prreview_cli.core import errors
from prreview_cli.core.job import Lease, Target
from prreview_cli.core.marker import Identity
from prreview_cli.core.ports.host import PullRequest
from prreview_cli.core.ports.store import Capacity, Store
from prreview_cli.core.profile import Host
from prreview_cli.core.review import Review
from prreview_cli.hosts.github import client
from prreview_cli.hosts.github.auth import TokenAccess
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.secrecy import Secret
from prreview_cli.services.publisher import Publisher
from prreview_cli.store.memory import MemoryStore
from prreview_cli.trials.simulators import faults
from prreview_cli.trials.simulators.code_host import CodeHost
from prreview_cli.trials.simulators.faults import Answer, Effect, Fault, Hold, LandLater, LoseAnswer, Reset
from prreview_cli.trials.simulators.http import Response
from prreview_cli.trials.simulators.loopback import Gate
from support.clocks import ImpatientClock
from support.github_world import REVIEW
from support.simulators import TOKEN, MachineClock


@dataclass
class Scene:
    """A publisher on a simulated host whose pull request 1 is to have one review."""

    world: CodeHost
    host: GitHubHost
    store: Store
    clock: ImpatientClock
    pull: PullRequest
    review: Review
    lease: Lease

    @property
    def identity(self) -> Identity:
        return Identity("test", self.pull.repository_id, 1, self.pull.head_sha, 0)

    async def publish(self) -> str:
        return await Publisher(self.store, self.host, self.clock).publish(self.lease, self.pull, self.review, self.identity)

    def asked(self) -> list[str]:
        """Looks and posts, in order."""
        return [seen.method for seen in self.world.requests if seen.path.endswith("/reviews")]

    def befalls_the_post(self, effect: Effect) -> None:
        self.world.faults.append(Fault("POST", "*/reviews", effect))


@asynccontextmanager
async def scene_in(folder: Path) -> AsyncIterator[Scene]:
    with CodeHost(folder, MachineClock(), TOKEN) as world:
        shop = world.add_repository("octo/shop")
        clock = ImpatientClock()
        store = MemoryStore(clock=clock)
        host = GitHubHost(Host(api_url=world.api_url), TokenAccess(lambda: Secret(TOKEN)), "test", clock, lambda text: text)
        try:
            pull = await host.pull_request(shop.id, "octo/shop", 1)
            await store.jobs.request(
                Target(shop.id, "octo/shop", 1, pull.head_sha, "main", clock.now(), "ada", admitted=True), 0, clock.now()
            )
            lease = await store.jobs.claim("w1", Capacity(1), 1e6, clock.now())
            assert lease is not None
            about = replace(REVIEW, repository="octo/shop", repository_id=shop.id, number=1, reviewed_sha=pull.head_sha, findings=())
            yield Scene(world, host, store, clock, pull, about, lease)
        finally:
            await host.close()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene_in(tmp_path) as scene:
        yield scene


async def test_an_answer_that_was_cut_after_the_review_was_stored_is_found_by_looking(scene: Scene) -> None:
    scene.befalls_the_post(LoseAnswer())
    assert await scene.publish() == str(scene.world.reviews()[0].id)
    assert scene.asked() == ["GET", "POST", "GET"]
    assert len(scene.world.reviews()) == 1


@pytest.mark.parametrize("effect", [Reset(), faults.bad_gateway(), Answer(Response(408, b""))], ids=["reset", "502", "408"])
async def test_a_post_that_was_not_stored_is_looked_for_twice_before_the_next(scene: Scene, effect: Effect) -> None:
    scene.befalls_the_post(effect)
    with pytest.raises(errors.AmbiguousPost):
        await scene.publish()
    assert scene.asked() == ["GET", "POST", "GET", "GET"]
    assert scene.clock.slept[-1] == 10.0
    await scene.publish()
    assert scene.asked() == ["GET", "POST", "GET", "GET", "GET", "POST"]
    assert len(scene.world.reviews()) == 1


async def test_a_lost_post_stays_one_while_the_host_cannot_be_looked_at(scene: Scene) -> None:
    away = Fault("GET", "*/reviews", Reset(), times=0)
    scene.world.faults.append(away)
    scene.befalls_the_post(LoseAnswer())

    async def sleep(seconds: float) -> None:
        away.times = None  # both looks find nobody there

    scene.clock.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(errors.AmbiguousPost):
        await scene.publish()
    assert scene.asked() == ["GET", "POST", "GET", "GET"]
    away.times = 0
    del scene.clock.sleep  # type: ignore[method-assign]
    assert await scene.publish() == str(scene.world.reviews()[0].id)
    assert scene.asked().count("POST") == 1


async def test_a_post_that_lands_after_the_first_look_is_found_by_the_second(scene: Scene) -> None:
    gate = Gate()
    scene.befalls_the_post(LandLater(gate))

    async def sleep(seconds: float) -> None:
        if seconds >= 10:
            gate.open()
            await scene.world.watch.until(lambda: len(scene.world.reviews()) == 1, 10)

    scene.clock.sleep = sleep  # type: ignore[method-assign]
    assert await scene.publish() == str(scene.world.reviews()[0].id)
    assert scene.asked().count("POST") == 2, "the one that was cut, and the same when it landed"
    assert len(scene.world.reviews()) == 1


async def test_a_post_whose_worker_was_killed_may_still_land_before_the_next_is_begun(scene: Scene) -> None:
    gate = Gate()
    scene.befalls_the_post(LandLater(gate))

    async def die(_: float) -> None:
        raise RuntimeError("killed")

    scene.clock.sleep = die  # type: ignore[method-assign]  # at the read-back: nobody is there to look
    with pytest.raises(RuntimeError, match="killed"):
        await scene.publish()
    waited = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        gate.open()
        await scene.world.watch.until(lambda: len(scene.world.reviews()) == 1, 10)

    scene.clock.sleep = sleep  # type: ignore[method-assign]
    assert await scene.publish() == str(scene.world.reviews()[0].id)
    assert waited == [10.0]
    assert scene.asked().count("POST") == 2, "the one that was cut, and the same when it landed"
    assert len(scene.world.reviews()) == 1


async def test_a_post_that_is_not_answered_in_time_is_looked_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "EXCHANGE_S", 0.3)
    scene.befalls_the_post(Hold(Gate()))
    with pytest.raises(errors.AmbiguousPost, match="TimeoutError"):
        await scene.publish()
    assert scene.asked().count("GET") == 3


async def test_a_read_that_is_not_answered_in_time_is_an_outage_and_posts_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "EXCHANGE_S", 0.3)
    scene.world.faults.append(Fault("GET", "*/reviews", Hold(Gate())))
    with pytest.raises(errors.HostUnreachable):
        await scene.publish()
    assert "POST" not in scene.asked()


async def test_ours_is_found_behind_a_hundred_others(scene: Scene) -> None:
    await scene.publish()
    [ours] = scene.world.reviews()
    hosted = scene.world.world.repositories[scene.pull.repository_id]
    foreign = [replace(ours, id=ours.id - 1000 + number, login="eve", body="Me too.") for number in range(150)]
    hosted.reviews[:0] = foreign
    await scene.publish()
    assert scene.asked().count("POST") == 1


async def test_a_pending_review_of_our_own_is_removed_before_the_post(scene: Scene) -> None:
    await scene.publish()
    hosted = scene.world.world.repositories[scene.pull.repository_id]
    pending = replace(hosted.reviews[0], state="PENDING", body="left over")
    hosted.reviews[:] = [pending]
    await scene.publish()
    assert [review.state for review in hosted.reviews] == ["COMMENTED"]
    deleted = [seen for seen in scene.world.requests if seen.method == "DELETE"]
    assert len(deleted) == 1


async def test_a_push_while_the_pending_review_is_removed_keeps_the_post_back(scene: Scene) -> None:
    await scene.publish()
    hosted = scene.world.world.repositories[scene.pull.repository_id]
    hosted.reviews[:] = [replace(hosted.reviews[0], state="PENDING", body="left over")]
    gate = Gate()
    scene.world.faults.append(Fault("DELETE", "*/reviews/*", Hold(gate)))
    publishing = asyncio.create_task(scene.publish())
    await gate.reached()
    newer = Target(scene.pull.repository_id, "octo/shop", 1, "b" * 40, "main", scene.clock.now(), "ada", admitted=True)
    await scene.store.jobs.request(newer, 0, scene.clock.now())
    gate.open()
    with pytest.raises(errors.Stopped):
        await publishing
    assert hosted.reviews == []
