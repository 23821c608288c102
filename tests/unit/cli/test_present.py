"""What `why` says of this moment: what is waited for, also when nothing happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.cli.present import Present, present
from prreview_cli.core.circuit import THRESHOLD, Down, Service
from prreview_cli.core.events import Ignore
from prreview_cli.core.job import Dead, Defer, Posted, Retry, Skipped, Superseded
from prreview_cli.core.ports.store import Beat, Pause
from prreview_cli.core.retry import Policy
from prreview_cli.settings import load_profile
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock
from support.profiles import profile_file
from support.stores import NOON, Bench, delivery


@pytest.fixture
def at() -> Bench:
    clock = FakeClock()
    return Bench(MemoryStore(clock), clock)


@pytest.fixture
def moment(at: Bench, tmp_path: Path) -> Present:
    profile = load_profile(str(profile_file(tmp_path, {"workers": {"count": 2}})))
    return Present(profile, at.now, None, [Beat("w1", 1, 2, NOON, 0)], [], serving=True)


async def told(at: Bench, moment: Present, name: str = "octo/demo", **changes: Any) -> str:
    running = [job for job in await at.jobs.list([], None) if job.state == "running"]
    now = replace(moment, now=at.now, running=running)
    return present(name, await at.jobs.history(name, 1), replace(now, **changes))


async def test_nothing_is_known_and_the_repository_is_not_covered(at: Bench, moment: Present) -> None:
    hosts = replace(moment.profile, host=replace(moment.profile.host, repositories=("other/*",)))
    assert "not among host.repositories" in await told(at, moment, profile=hosts)


async def test_nothing_is_known_and_no_server_runs(at: Bench, moment: Present) -> None:
    assert "No `serve`" in await told(at, moment, serving=False)
    assert "No `serve`" not in await told(at, moment)
    assert "prreview enqueue" in await told(at, moment)


async def test_a_delivery_that_led_to_nothing_says_why(at: Bench, moment: Present) -> None:
    await at.jobs.accept(
        replace(delivery(Ignore("A draft."), at.now), repository="octo/demo", number=1), Ignore("The pull request is a draft."), 0.0, at.now
    )
    assert "The pull request is a draft." in await told(at, moment)


async def test_a_job_that_waits_for_an_outage_to_end_says_so(at: Bench, moment: Present) -> None:
    await at.push("a", number=2)
    await at.push("a")
    down = Down("529.", ("j00000009", 1), Policy(5, 1.0, 300.0), 0.5)
    for _ in range(THRESHOLD):
        await at.store.circuits.note(Service.MODEL, down, at.now)

    async def now_told() -> str:
        return await told(at, moment, circuits=await at.store.circuits.all())

    assert "The model is down; it is not asked until 12:00:03 UTC: 529." in await now_told()
    at.later(3)
    assert "to be taken at any moment" in await now_told(), "it may be the one that tries"
    await at.claimed()
    assert "one job tries whether it answers again" in await now_told()


async def test_a_queued_job_says_what_it_waits_for(at: Bench, moment: Present) -> None:
    await at.push("a")
    assert "at any moment" in await told(at, moment)
    assert "no worker pool is alive" in await told(at, moment, pools=[])
    pause = Pause("Too dear.", NOON, NOON + timedelta(hours=1))
    said = await told(at, moment, pause=pause)
    assert "paused, until 2026-11-24 13:00:00Z: Too dear." in said
    others = [replace(job, id=f"j{number}", number=number) for number, job in enumerate(await at.jobs.list([], None) * 2, 5)]
    full = replace(moment, running=others)
    assert "all 2 are taken (workers.count)" in present("octo/demo", await at.jobs.history("octo/demo", 1), full)
    one = replace(full, running=others[:1], pools=[Beat("w1", 1, 1, NOON, 0)])
    assert "all 1 are taken (the pools" in present("octo/demo", await at.jobs.history("octo/demo", 1), one)


async def test_the_bound_of_its_repository_is_named(at: Bench, moment: Present) -> None:
    capped = replace(moment.profile, workers=replace(moment.profile.workers, max_in_flight_per_repository=1))
    await at.push("a", number=9)
    await at.claimed()
    await at.push("a")
    assert "max_in_flight_per_repository" in await told(at, moment, profile=capped)


async def test_a_scheduled_job_says_until_when_and_why(at: Bench, moment: Present) -> None:
    await at.push("a")
    await at.settle(await at.claimed(), Retry("model_overloaded", "The provider said 529.", at.now + timedelta(seconds=90)))
    said = await told(at, moment)
    assert "in 1 min 30 s" in said
    assert "The provider said 529." in said
    at.later(100)
    assert "is due and waits to be taken" in await told(at, moment)


async def test_a_held_job_names_its_worker_and_whether_it_lives(at: Bench, moment: Present) -> None:
    await at.push("a")
    await at.claimed()
    at.later(5)
    assert "held for 5 s by worker w1: it is being reviewed." in await told(at, moment)
    assert "does not beat any more" in await told(at, moment, pools=[])
    assert "no model call and no post is begun: Stop." in await told(at, moment, pause=Pause("Stop.", NOON))


async def test_a_push_during_a_review_names_what_follows(at: Bench, moment: Present) -> None:
    await at.push("a")
    await at.claimed()
    newer = await at.pushed("b")
    assert f"Then {newer} is taken" in await told(at, moment)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Posted("r-1"), "stands on the host"),
        (Skipped("The author is a stranger."), "The author is a stranger."),
        (Superseded("Newer."), "prreview enqueue"),
        (Dead("turn_limit", "30 turns."), "Raise model.max_turns"),
        (Dead("model_overloaded", "529."), "tried as often as it may be"),
        (Dead("worker_died", "It died."), "jobs retry"),
    ],
)
async def test_a_job_at_rest_says_what_can_be_done(at: Bench, moment: Present, outcome: Any, words: str) -> None:
    await at.push("a")
    await at.settle(await at.claimed(), outcome)
    said = await told(at, moment)
    assert words in said
    assert "Nothing to do: it is tried again" not in said


async def test_a_deferred_post_waits_for_its_time(at: Bench, moment: Present) -> None:
    await at.push("a")
    await at.settle(await at.claimed(), Defer("The post is looked for again.", at.now + timedelta(seconds=30)))
    assert "The post is looked for again." in await told(at, moment)
