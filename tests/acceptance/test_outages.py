"""A code host that is down, in real processes: no attempt is burnt, someone is told, one job asks, and all go on."""

from __future__ import annotations

from pathlib import Path

from prreview_cli.trials.simulators.faults import Fault, bad_gateway
from support.stage import Stage, eventually, get


async def test_an_outage_of_the_host_is_noticed_told_and_survived(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=6, workers=4) as stage:
        outage = Fault("GET", "*/pulls/*", bad_gateway(), times=None)
        async with stage.serving() as served:
            stage.host.faults.append(outage)
            await stage.send(served, [stage.delivery(number) for number in range(1, 7)])
            said = await eventually(stage, ["status"], lambda said: said["circuits"])
            assert [(each["service"], "502" in each["reason"]) for each in said["circuits"]] == [("host", True)]
            ready = await get(f"{served.ops}/readyz")
            assert (ready.status_code, "The code host" in ready.text) == (503, True)
            outage.times = 0
            await stage.posted(6)
            ended = await eventually(stage, ["jobs", "list"], lambda said: {job["state"] for job in said["jobs"]} == {"posted"})
            assert sum(job["attempts"] for job in ended["jobs"]) == 2
            assert (await stage.told("status"))["circuits"] == []
            assert await served.terminate() == 0
        assert stage.reviewed() == [1, 2, 3, 4, 5, 6]
