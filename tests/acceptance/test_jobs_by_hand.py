"""Looking and reaching in by hand: `jobs cancel` and `retry`, `status --watch`, `why`, on real processes."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

from prreview_cli.trials.simulators.behaviours import reviewer
from support.stage import WAIT_S, Stage, eventually


async def test_a_running_and_a_waiting_job_are_cancelled_and_one_is_retried(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=2, workers=1) as stage:
        stage.model.script = reviewer(turns=2, wait_s=20)
        async with stage.serving() as served:
            (first,) = await stage.send(served, [stage.delivery(1)])
            await stage.model.watch.until(lambda: bool(stage.model.requests), 30)
            (second,) = await stage.send(served, [stage.delivery(2)])
            said = await stage.told("why", "octo/shop#2")
            assert "for a free slot: all 1 are taken" in said["now"]

            waiting = (await stage.told("jobs", "cancel", second["job"], "--reason", "Not today."))["job"]
            assert (waiting["state"], waiting["reason"]) == ("skipped", "Not today.")
            stopping = (await stage.told("jobs", "cancel", first["job"]))["job"]
            assert stopping["state"] == "running"
            await eventually(stage, ["jobs", "show", first["job"]], lambda said: said["job"]["state"] == "skipped")
            code, _, err = await stage.run("jobs", "cancel", first["job"])
            assert (code, "nothing to cancel" in err) == (2, True)
            assert stage.reviews() == []

            stage.model.script = reviewer(turns=2)
            retried = (await stage.told("jobs", "retry", second["job"]))["job"]
            assert (retried["state"], retried["attempts"]) == ("queued", 0)
            await stage.posted(1)
            said = await eventually(stage, ["why", "octo/shop#2"], lambda said: said["posted"] is not None)
            assert "stands on the host" in said["now"]
            code, _, err = await stage.run("jobs", "retry", second["job"])
            assert (code, "--again" in err) == (2, True)
            assert await served.terminate() == 0
        assert stage.reviewed() == [2]


async def test_watching_in_a_pipe_gives_a_line_at_each_change_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        assert (await stage.run("pause", "Look", "first."))[0] == 2, "the reason is one word of the shell"
        assert (await stage.run("pause", "Look first."))[0] == 0
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", "-m", "prreview_cli", "status", "--watch", "--json", "--profile", str(stage.profile)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=stage.environment,
            cwd=tmp_path,
        )
        try:
            assert process.stdout is not None
            first = json.loads(await asyncio.wait_for(process.stdout.readline(), WAIT_S))
            assert (first["schema_version"], first["queued"], first["paused"]["reason"]) == (1, 0, "Look first.")
            body = tmp_path / "body.json"
            body.write_bytes(stage.delivery().body)
            assert (await stage.run("replay-webhook", str(body)))[0] == 0
            assert json.loads(await asyncio.wait_for(process.stdout.readline(), WAIT_S))["queued"] == 1
            process.send_signal(signal.SIGINT)
            _, err = await asyncio.wait_for(process.communicate(), WAIT_S)
            assert (process.returncode, err.decode()) == (130, "Interrupted.\n")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
