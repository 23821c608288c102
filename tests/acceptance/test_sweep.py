"""`prreview sweep` beside a running server, and the units that start it."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from prreview_cli.trials.simulators import faults
from prreview_cli.trials.simulators.faults import Fault
from support.stage import Stage, eventually

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = ["sweep", "digest"]


async def test_lost_webhooks_are_made_good_once(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=4) as stage:
        stage.hosted.pulls[4].draft = True
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery(1)])
            await stage.posted(1)

            expected = await stage.told("sweep", "--dry-run")
            assert [each["status"] for each in expected["results"]] == ["duplicate", "queued", "queued", "ignored"]
            assert (expected["queued"], expected["max_usd"]) == (2, 4.0)
            assert len((await stage.told("jobs", "list"))["jobs"]) == 1

            swept = await stage.told("sweep")
            assert {key: swept[key] for key in ("schema_version", "dry_run", "repositories", "failed", "not_asked", "paused")} == {
                "schema_version": 1,
                "dry_run": False,
                "repositories": 1,
                "failed": [],
                "not_asked": [],
                "paused": None,
            }
            assert [(each["number"], each["status"]) for each in swept["results"]] == [
                (1, "duplicate"),
                (2, "queued"),
                (3, "queued"),
                (4, "ignored"),
            ]
            assert swept["results"][1]["head_sha"] == stage.hosted.pulls[2].head_sha

            # The webhooks come after all, and the timer strikes again: still one review each.
            await stage.send(served, [stage.delivery(2), stage.delivery(3)])
            await stage.posted(3)
            again = await stage.told("sweep")
            assert again["queued"] == 0
            await eventually(stage, ["status"], lambda said: said["queued"] + said["scheduled"] + said["running"] == 0)
    assert stage.reviewed() == [1, 2, 3]


async def test_a_sweep_says_what_it_could_not_do_and_that_it_must_wait(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=1, changes={"host": {"repositories": ["octo/gone", "octo/shop"]}}) as stage:
        code, _, _ = await stage.run("pause", "Too dear.")
        assert code == 0
        code, out, err = await stage.run("sweep", "--json")
        assert code == 4
        told = json.loads(out)
        assert [(each["repository"], each["class"]) for each in told["failed"]] == [("octo/gone", "repository_forbidden")]
        assert [(each["repository"], each["status"]) for each in told["results"]] == [("octo/shop", "queued")]
        assert told["paused"]["reason"] == "Too dear."
        assert "octo/gone was not swept to its end." in err

        stage.host.faults.append(Fault("GET", "/api/v3/repos/octo/shop/pulls", faults.bad_gateway()))
        code, out, err = await stage.run("sweep", "--repository", "octo/shop")
        assert (code, out.splitlines()[-1]) == (3, "0 open pull requests in 0 repositories: 0 queued, 0 with a job already, 0 left alone.")
        assert "Too dear." in err

        stage.host.revoke_token()
        assert (await stage.run("sweep"))[0] == 4
        code, _, err = await stage.run("sweep", "--repository", "acme/other")
        assert code == 2
        assert "acme/other is not among host.repositories." in err


# -- the timers ------------------------------------------------------------------------------------------


def unit(name: str) -> configparser.SectionProxy:
    parsed = configparser.RawConfigParser(strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read(DEPLOY / name)
    return parsed["Service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this machine")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_no_fault_in_a_timer_and_its_service(name: str, tmp_path: Path) -> None:
    for kind in ("timer", "service"):
        text = (DEPLOY / f"prreview-{name}.{kind}").read_text()
        (tmp_path / f"prreview-{name}.{kind}").write_text(text.replace("/opt/prreview/.venv/bin/prreview", "/bin/true"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", f"prreview-{name}.timer", f"prreview-{name}.service"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_sweeps_unit_reads_its_own_copy_of_the_token_and_no_other_secret(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        pass
    profile = stage.profile.read_text().replace(str(tmp_path / "secrets"), "/run/credentials/prreview.service")
    (tmp_path / "prod.toml").write_text(profile)
    (tmp_path / "prreview-sweep").mkdir()
    service = unit("prreview-sweep.service")
    assert [value for key, value in service.items() if key == "LoadCredential"] == ["host_token:/etc/prreview/secrets/host_token"]

    script = service["ExecStartPre"].removeprefix("/bin/sh -c '").removesuffix("'")
    for placed, there in {
        "/etc/prreview/profiles/prod.toml": str(tmp_path / "prod.toml"),
        "%t": str(tmp_path),
        "%d": "/run/credentials/prreview-sweep.service",
    }.items():
        assert placed in script
        script = script.replace(placed, there)
    subprocess.run(["/bin/sh", "-c", script], env={"PATH": "/usr/bin:/bin"}, timeout=20, check=True)

    copied = tomllib.loads((tmp_path / "prreview-sweep" / "prod.toml").read_text())
    assert copied["secrets"]["host_token"] == "file:/run/credentials/prreview-sweep.service/host_token"
    assert copied["environment"] == tomllib.loads(profile)["environment"]
