"""Workers that stop, die or outlive their server, as their neighbours on the same queue see them: real processes and signals."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from prreview_cli.trials.simulators.behaviours import held, reviewer
from prreview_cli.trials.simulators.loopback import Gate
from prreview_cli.trials.simulators.moments import Moment, What
from support.processes import until
from support.stage import WAIT_S, Stage, descendants, eventually, logged


async def test_a_worker_stopped_past_its_lease_posts_nothing_and_cuts_its_model_call_when_it_goes_on(tmp_path: Path) -> None:
    with Stage(tmp_path, workers=1, changes={"workers": {"lease_s": 1.0}}) as stage:
        gate = Gate()
        stage.model.script = held(gate, reviewer(turns=2))
        asking = asyncio.create_task(stage.told("enqueue", "octo/shop#1"))
        async with stage.working() as stopped:
            await stage.model.watch.until(lambda: bool(stage.model.requests), 30)
            os.kill(stopped.process.pid, signal.SIGSTOP)
            stage.model.script = reviewer(turns=2)
            async with stage.working():
                await stage.posted(1)
                job = (await asking)["job"]
                settled = await eventually(stage, ["jobs", "show", job], lambda said: said["job"]["state"] == "posted")

                asked = len(stage.model.requests)
                assert stage.model.in_flight == 1, "the call of the stopped process is still open"
                os.kill(stopped.process.pid, signal.SIGCONT)
                await stage.model.watch.until(lambda: stage.model.in_flight == 0, WAIT_S)
                await until(lambda: bool(logged(stage, "lease_lost")))
                assert len(stage.model.requests) == asked
                assert await stopped.terminate() == 0
                assert await stage.told("jobs", "show", job) == settled
        assert settled["job"]["attempts"] == 1
        assert stage.reviewed() == [1]


async def test_the_pool_of_a_killed_server_and_the_next_servers_pool_stay_within_the_bound_together(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=6, workers=2) as stage:
        stage.model.script = reviewer(turns=2, wait_s=0.5)
        async with stage.serving() as killed:
            await stage.send(killed, [stage.delivery(number) for number in range(1, 7)])
            await stage.model.watch.until(lambda: stage.model.in_flight == 2, 30)
            orphan = descendants(killed.process.pid)[0]
            os.kill(killed.process.pid, signal.SIGKILL)
            async with stage.serving() as served:
                await stage.posted(6)
                assert await served.terminate() == 0
            await until(lambda: not Path(f"/proc/{orphan}").exists())
        assert stage.model.peak_in_flight == 2
        assert stage.reviewed() == list(range(1, 7))
        assert {job["attempts"] for job in (await stage.told("jobs", "list"))["jobs"]} == {0}, "the orphan drained in order"


async def test_a_job_that_kills_its_worker_is_given_up_and_the_next_one_runs(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=2, workers=1, changes={"workers": {"max_attempts": 2}}) as stage:
        server: list[int] = []

        def poison(moment: Moment) -> None:
            if moment.review == "1" and moment.what is What.MODEL_ASKED:
                os.kill(descendants(server[0])[0], signal.SIGKILL)

        stage.model.observer = poison
        async with stage.serving() as served:
            server.append(served.process.pid)
            await stage.send(served, [stage.delivery(1)])
            await stage.send(served, [stage.delivery(2)])
            await stage.posted(1, 2 * WAIT_S)  # three pools have to start for it, each stepping back behind whatever else runs
            said = await eventually(stage, ["jobs", "list"], lambda said: {job["state"] for job in said["jobs"]} == {"dead", "posted"})
            assert await served.terminate() == 0
        dead, posted = sorted(said["jobs"], key=lambda job: job["state"])
        assert (dead["number"], dead["attempts"]) == (1, 2)
        assert "worker" in dead["reason"]
        assert (posted["number"], posted["attempts"]) == (2, 0)
        assert stage.reviewed() == [2]
