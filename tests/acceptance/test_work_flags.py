"""`work` as a short-lived job, and with a page of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prreview_cli.trials.simulators.behaviours import reviewer
from support.stage import Stage, get

NAMES = [f"octo/shop#{number}" for number in range(1, 4)]


async def queue(stage: Stage, names: list[str]) -> None:
    for name in names:
        code, _, err = await stage.run("enqueue", name)
        assert code == 0, err


async def test_until_empty_works_the_queue_off_and_ends_with_0(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=3) as stage:
        await queue(stage, NAMES)
        async with stage.working("--until-empty") as worked:
            assert await asyncio.wait_for(worked.process.wait(), 60) == 0
        assert stage.reviewed() == [1, 2, 3]
        status = await stage.told("status")
        assert (status["queued"], status["running"], status["scheduled"]) == (0, 0, 0)


async def test_until_empty_ends_with_4_and_the_reason_where_the_profile_is_paused_and_keeps_the_jobs(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=2) as stage:
        stage.model.revoke_key()
        await queue(stage, NAMES[:2])
        async with stage.working("--until-empty") as worked:
            assert await asyncio.wait_for(worked.process.wait(), 60) == 4
        told = worked.stderr.read_text()
        assert "error: The profile is paused: " in told
        assert "prreview resume" in told
        assert stage.reviews() == []
        assert (await stage.told("status"))["queued"] == 2


async def test_max_jobs_takes_so_many_and_leaves_the_rest(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=3) as stage:
        await queue(stage, NAMES)
        async with stage.working("--max-jobs", "2") as worked:
            assert await asyncio.wait_for(worked.process.wait(), 60) == 0
        assert len(stage.reviews()) == 2
        status = await stage.told("status")
        assert (status["queued"], status["running"]) == (1, 0)


async def test_the_ops_port_of_a_pool_is_its_own_and_named_in_the_ready_line(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.model.script = reviewer(turns=2)
        async with stage.working("--ops-port", "0") as worked:
            assert worked.ops.startswith("http://127.0.0.1:")
            assert worked.webhook == ""
            assert (await get(f"{worked.ops}/readyz")).status_code == 200
            assert "prreview_paused 0" in (await get(f"{worked.ops}/metrics")).text
            assert await worked.terminate() == 0
