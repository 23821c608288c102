"""`host.auth = "app"` from webhook to posted review: who it is by, what its tokens open, and what closes one repository alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from prreview_cli.trials.simulators.behaviours import held, reviewer
from prreview_cli.trials.simulators.github_app import GitHubApp
from prreview_cli.trials.simulators.loopback import Gate
from support.github_app import APP_ID, DECLARED, SLUG, private_key, public_key
from support.stage import Stage, eventually

QUICK = {"workers": {"max_attempts": 2, "backoff_s": 0.05, "backoff_max_s": 0.05}, "server": {"port": 0, "ops_port": 0}}


def pem(which: int = 0) -> str:
    """The public half of an App's key."""
    subject = serialization.PublicFormat.SubjectPublicKeyInfo
    return public_key(private_key(which)).public_bytes(serialization.Encoding.PEM, subject).decode()


@contextmanager
def staged(folder: Path, pulls: int = 1) -> Iterator[tuple[Stage, GitHubApp]]:
    """A stage whose profile is an App's; its host knows no other token."""
    with Stage(folder, pulls=pulls, changes=QUICK) as stage:
        app = stage.host.add_app(APP_ID, SLUG, pem())
        stage.host.revoke_token()
        key = folder / "secrets/app_private_key"
        key.touch(mode=0o600)
        key.write_text(private_key(0))
        stage.change_profile(
            {
                "host": {"auth": "app", "app_id": APP_ID, "repositories": ["octo/*", "octo/shop"]},
                "secrets": {"app_private_key": f"file:{key}"},
            }
        )
        yield stage, app


def job_of(told: dict[str, Any], repository: str) -> dict[str, Any]:
    (job,) = [job for job in told["jobs"] if job["repository"] == repository]
    return job


async def test_a_webhook_becomes_a_review_by_the_apps_bot_and_a_revoked_token_is_minted_anew(tmp_path: Path) -> None:
    gate = Gate()
    with staged(tmp_path, pulls=2) as (stage, app):
        stage.model.script = held(gate, reviewer(turns=2))
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery(1)])
            await stage.model.watch.until(lambda: len(stage.model.requests) == 1, 60)
            before = dict(app.minted)
            app.minted.clear()  # revoked while the model thinks
            gate.open()
            await stage.posted(1)
            await stage.send(served, [stage.delivery(2)])
            await stage.posted(2)
            assert await served.terminate() == 0

        assert {review.login for review in stage.reviews()} == {f"{SLUG}[bot]"}
        assert len(before) == 1
        assert not set(before) & set(app.minted)
        assert all(minting == {"repository_ids": [stage.hosted.id], "permissions": DECLARED} for minting in app.mintings)
        assert len(app.mintings) == 2, "one at the start, one in the place of the revoked one; kept in between"
        assert [seen.status for seen in stage.host.requests if seen.route == "git" and "info/refs" in seen.path] == [200, 200]
        left = (
            b"".join(path.read_bytes() for path in tmp_path.glob("state/**/*") if path.is_file()) + (tmp_path / "stderr.log").read_bytes()
        )
        for secret in (*before, *app.minted, private_key(0).splitlines()[1]):
            assert secret.encode() not in left


async def test_what_closes_one_repository_ends_its_jobs_alone_and_a_dead_key_pauses(tmp_path: Path) -> None:
    with staged(tmp_path) as (stage, app):
        other = stage.host.add_repository("octo/other", 1)
        async with stage.serving() as served:
            app.without.add(other.id)
            theirs = stage.host.delivery(other, 1, stage.keys.webhook_secret)
            await stage.send(served, [theirs, stage.delivery(1)])
            await stage.posted(1)
            jobs = await eventually(stage, ["jobs", "list"], lambda said: {job["state"] for job in said["jobs"]} == {"posted", "dead"})
            assert (job_of(jobs, "octo/other")["state"], job_of(jobs, "octo/shop")["state"]) == ("dead", "posted")
            assert "not installed" in job_of(jobs, "octo/other")["reason"]

            swept = await stage.told("sweep", "--dry-run")
            assert (swept["repositories"], swept["failed"]) == (1, []), "the App lists what it is installed on"

            app.public_key = pem(1)  # its key was taken off the App's page, and its tokens with it
            app.minted.clear()
            stage.host.push(stage.hosted, 1)
            await stage.send(served, [stage.delivery(1, "synchronize")])
            paused = await eventually(stage, ["status"], lambda said: said["paused"] is not None)
            assert "App's key" in paused["paused"]["reason"]
        assert len(stage.reviews()) == 1


async def test_doctor_and_review_with_an_app(tmp_path: Path) -> None:
    with staged(tmp_path) as (stage, app):
        code, out, err = await stage.run("doctor", "--json")
        checks = {check["name"]: check for check in json.loads(out)["checks"]}
        assert {name: check["detail"] for name, check in checks.items() if check["ok"] is False} == {}, err
        assert f"{SLUG}[bot]" in checks["host.token"]["detail"]
        assert checks["host.scopes"]["ok"] is True

        code, out, err = await stage.run("review", "octo/shop#1", "--agent", "scripted", "--allow-unsandboxed", "--json")
        assert code == 0, err
        assert json.loads(out)["posted"] is not None
        assert [review.login for review in stage.reviews()] == [f"{SLUG}[bot]"]

        app.suspended = True
        code, out, err = await stage.run("review", "octo/shop#1", "--again", "--agent", "scripted", "--allow-unsandboxed", "--json")
        assert (code, "suspended" in err + out) == (4, True), err
        assert len(stage.reviews()) == 1
