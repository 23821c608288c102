"""Acknowledged is durable: what a power cut leaves of the database, on a disk that keeps what was fsynced and nothing else."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from prreview_cli.core.ports.store import Store
from prreview_cli.store import open_store
from prreview_cli.trials.simulators.behaviours import reviewer
from prreview_cli.trials.temporary_profile import ENVIRONMENT
from support.power.disk import COMPILER, HERE, Disk, new_disk
from support.power.flood import Flood
from support.stage import Stage, eventually

ACKNOWLEDGED = 1000
CUTS_UNTIL_LOSS = 6
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="The disk is a library preloaded on Linux."),
    pytest.mark.skipif(COMPILER is None, reason="The disk must be compiled, and there is no cc."),
]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return new_disk(tmp_path)


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Another moment in each run; the seed is shown when the test fails."""
    seed = random.SystemRandom().randrange(1 << 32)
    sys.stdout.write(f"{request.node.name}: seed {seed}\n")
    return random.Random(seed)


def on(disk: Disk, tmp_path: Path, **more: object) -> Stage:
    """A stage whose database is on this disk."""
    changes = {"queue": {"url": f"sqlite:///{disk.folder / 'queue.db'}"}, "review": {"min_interval_s": 0.0}}
    return Stage(tmp_path, changes=changes, variables=disk.environment, **more)  # type: ignore[arg-type]


@asynccontextmanager
async def found(disk: Disk, stage: Stage, tmp_path: Path) -> AsyncIterator[Store]:
    """What prreview finds when it opens the database, in a copy: looking changes nothing."""
    copy = tmp_path / "found"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(disk.folder, copy)
    url = f"sqlite:///{copy / 'queue.db'}"
    store = await open_store(url, environment=ENVIRONMENT, host=stage.host.api_url, clock=stage.clock, must_exist=True)
    try:
        yield store
    finally:
        await store.close()


async def lost(store: Store, acknowledged: dict[str, str]) -> list[str]:
    """The acknowledged deliveries that are not there any more, or whose job is not."""
    return [
        delivery
        for delivery, job in acknowledged.items()
        if await store.jobs.delivery(delivery) is None or await store.jobs.get(job) is None
    ]


async def kill_in_a_flood(stage: Stage, flood: Flood, more: int, dice: random.Random) -> None:
    """Let so many more deliveries be acknowledged, and kill everything a moment later."""
    async with stage.serving("--workers", "0") as served:
        senders = await flood.until_acknowledged(served.webhook, len(flood.acknowledged) + more)
        await asyncio.wait(senders, timeout=dice.uniform(0, 0.02))
        await served.kill_everything()
        await asyncio.gather(*senders)


async def test_no_acknowledged_delivery_is_lost_when_the_power_fails(disk: Disk, tmp_path: Path, dice: random.Random) -> None:
    with on(disk, tmp_path) as stage:
        flood = Flood(stage)
        while len(flood.acknowledged) < ACKNOWLEDGED:
            await kill_in_a_flood(stage, flood, dice.randrange(1, 350), dice)
            disk.cut(dice)
            async with found(disk, stage, tmp_path) as store:
                assert await lost(store, flood.acknowledged) == []


async def test_with_less_than_full_synchronous_the_same_cut_does_lose_deliveries(disk: Disk, tmp_path: Path, dice: random.Random) -> None:
    weakened = (sys.executable, "-I", str(HERE / "weakened.py"))
    with on(disk, tmp_path, program=weakened) as stage:
        flood = Flood(stage)
        for _ in range(CUTS_UNTIL_LOSS):  # one that falls right after a checkpoint loses nothing
            await kill_in_a_flood(stage, flood, dice.randrange(50, 150), dice)
            disk.cut()
            async with found(disk, stage, tmp_path) as store:
                if await lost(store, flood.acknowledged):
                    return
        pytest.fail("The disk forgets nothing, so this test shows nothing.")


async def test_no_stored_review_spend_or_pause_is_lost_when_the_power_fails(disk: Disk, tmp_path: Path, dice: random.Random) -> None:
    with on(disk, tmp_path, pulls=6) as stage:
        stage.model.script = reviewer(turns=2, wait_s=0.1)
        async with stage.serving() as served:
            deliveries = [stage.delivery(number) for number in range(1, 7)]
            jobs = [str(answer["job"]) for answer in await stage.send(served, deliveries)]
            await stage.posted(dice.randrange(1, 5))
            assert (await stage.run("pause", "The lights flicker."))[0] == 0
            await asyncio.wait([asyncio.create_task(served.process.wait())], timeout=dice.uniform(0, 0.3))
            await served.kill_everything()
        disk.cut(dice)
        paid_for, asked = set(stage.reviewed()), len(stage.model.requests)
        async with found(disk, stage, tmp_path) as store:
            pause = await store.switches.paused(stage.clock.now())
            assert pause is not None
            assert pause.reason == "The lights flicker."
            for number in paid_for:
                assert await store.reviews.of(jobs[number - 1]) is not None
            assert await lost(store, {delivery.id: job for delivery, job in zip(deliveries, jobs, strict=True)}) == []
        with closing(sqlite3.connect(tmp_path / "found" / "queue.db")) as db:
            assert db.execute("SELECT count(*) FROM spend").fetchone()[0] >= asked
        async with stage.serving() as served:
            assert (await stage.run("resume"))[0] == 0
            await eventually(stage, ["jobs", "list"], lambda said: {job["state"] for job in said["jobs"]} == {"posted"})
            assert await served.terminate() == 0
        assert stage.reviewed() == [1, 2, 3, 4, 5, 6]
        assert not paid_for & {int(request.review) for request in stage.model.requests[asked:] if request.review}
