"""`review` as its users meet it: the installed command, every exit code, and nothing on stdout but the data."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

from prreview_cli.core.gate import FailOn
from prreview_cli.core.review import Severity
from prreview_cli.trials.simulators import behaviours
from prreview_cli.trials.simulators.behaviours import reviewer
from prreview_cli.trials.simulators.loopback import Gate
from support.stage import WAIT_S, Stage, descendants

PULL = "octo/shop#1"
SCHEMA = {
    *("schema_version", "status", "reason", "environment", "repository", "number", "base_sha", "reviewed_sha", "contract_version"),
    *("model", "summary", "findings", "coverage", "usage", "attempts", "posted", "fail_on"),
}
HASTY = {"workers": {"count": 1, "max_attempts": 2, "backoff_s": 0.01, "backoff_max_s": 0.01}}


async def review(stage: Stage, *words: str, **variables: str) -> tuple[int, dict[str, Any], str]:
    """The exit code, the document, and what was said besides."""
    code, out, err = await stage.run("review", *words, "--agent", "scripted", "--allow-unsandboxed", "--json", **variables)
    return code, json.loads(out) if out else {}, err


async def jobs(stage: Stage) -> list[str]:
    return [job["state"] for job in (await stage.told("jobs", "list"))["jobs"]]


async def test_a_review_is_posted_once_and_shown_again_without_a_model_call(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        code, first, err = await review(stage, PULL)
        assert (code, first["status"], first["coverage"]["full"], first["attempts"]) == (0, "complete", True, 0), err
        assert first.keys() >= SCHEMA
        [stored] = stage.reviews()
        assert first["posted"] == {
            "review_id": str(stored.id),
            "url": f"{stage.host.git_url}/octo/shop/pull/1#pullrequestreview-{stored.id}",
        }
        assert "The agent reads the whole diff (turn 1" in err
        asked = len(stage.model.requests)

        again, second, _ = await review(stage, f"{stage.host.git_url}/octo/shop/pull/1", "--fail-on", "warning")
        assert (again, second["posted"], second["findings"]) == (1, first["posted"], first["findings"])
        assert len(stage.model.requests) == asked

        code, third, _ = await review(stage, PULL, "--again")
        assert (code, third["run"]) == (0, 1)
        assert len(stage.model.requests) > asked
        assert await jobs(stage) == ["posted", "posted"]


async def test_a_review_that_another_database_knows_is_told_as_its_marker_tells_it(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        _, first, _ = await review(stage, PULL)
        asked = len(stage.model.requests)
        stage.change_profile({"state": {"dir": str(tmp_path / "elsewhere")}, "queue": {"url": f"sqlite:///{tmp_path}/other.db"}})
        code, second, err = await review(stage, PULL, "--fail-on", "warning")
        assert code == 1, err
        assert (second["status"], second["counts"], second["findings"]) == ("complete", {"error": 0, "warning": 1, "info": 0}, [])
        assert second["posted"] == first["posted"]
        assert len(stage.model.requests) == asked
        assert len(stage.reviews()) == 1


async def test_what_was_not_posted_is_posted_later_without_being_paid_for_again(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        text, report = tmp_path / "review.txt", tmp_path / "review.json"
        code, document, err = await review(stage, PULL, "--no-post", "--output", f"text={text}", "--output", f"json={report}")
        assert (code, document["status"], document["posted"]) == (0, "complete", None), err
        assert json.loads(report.read_text()) == document
        assert text.read_text().startswith("octo/shop#1  ")
        assert (stage.reviews(), await jobs(stage)) == ([], ["skipped"])
        asked = len(stage.model.requests)

        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await stage.posted(1)
            assert await served.terminate() == 0
        assert len(stage.model.requests) == asked


async def test_wrong_usage_is_exit_2_and_asks_nobody(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        for words, told in (
            ([], "No pull request was named"),
            (["octo/shop"], "does not name a pull request"),
            ([PULL, "--local", "a..b"], "Leave one of them out"),
            (["--local", "HEAD~1..HEAD", "--post"], "never posts"),
            (["--local", "HEAD~1..HEAD"], "is not a git repository"),
            (["--local", "nothing", "--repo", str(stage.hosted.git.path)], "is not a range"),
            ([PULL, "--output", "sarif=x"], "sarif is not in this version yet"),
            ([PULL, "--output", f"json={tmp_path}/no/where"], "cannot be written"),
        ):
            code, document, err = await review(stage, *words)
            assert (code, document) == (2, {}), words
            assert told in err
        assert (stage.host.requests, stage.model.requests) == ([], [])


async def test_a_model_that_is_overloaded_is_exit_3_and_leaves_nothing_to_a_pool(tmp_path: Path) -> None:
    with Stage(tmp_path, changes=HASTY) as stage:
        stage.model.script = behaviours.first(1, behaviours.overloaded(), reviewer(turns=2))
        code, document, err = await review(stage, PULL)
        assert (code, document["status"]) == (0, "complete"), err

        stage.hosted = stage.host.add_repository("octo/down", 1)
        stage.model.script = behaviours.always(behaviours.rate_limited(3_600))
        code, document, err = await review(stage, "octo/down#1")
        assert (code, document["status"], document["posted"]) == (3, "failed", None)
        assert document["reason"] in err
        assert await jobs(stage) == ["skipped", "posted"]


async def test_a_dead_key_is_exit_4_and_pauses_the_profile(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.model.revoke_key()
        code, document, err = await review(stage, PULL)
        assert (code, document["status"]) == (4, "failed")
        assert "secret set model_api_key" in err
        asked = len(stage.model.requests)

        code, document, err = await review(stage, PULL)
        assert (code, document["status"]) == (4, "failed")
        assert "paused" in document["reason"]
        assert len(stage.model.requests) == asked
        assert stage.reviews() == []

        stage.model.restore_key()
        assert (await stage.run("resume"))[0] == 0
        assert (await review(stage, PULL))[0] == 0
        assert stage.reviewed() == [1]


async def test_a_skip_is_exit_0_and_with_require_it_is_5_as_a_partial_review_always_is(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=2, changes={"review": {"ignore": ["examples/*"]}}) as stage:
        stage.host.touch(stage.hosted.pulls[2], draft=True)
        code, document, _ = await review(stage, "octo/shop#2")
        assert (code, document["status"], document["posted"]) == (0, "skipped", None)
        assert "draft" in document["reason"]
        assert (await review(stage, "octo/shop#2", "--require"))[0] == 5

        code, document, _ = await review(stage, PULL)
        assert (code, document["status"]) == (5, "partial")
        assert [omission["path"] for omission in document["coverage"]["omitted"]] == ["examples/example_1.py"]


async def test_a_push_during_the_review_is_exit_6_and_posts_nothing(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        gate = Gate()
        stage.model.script = behaviours.held(gate, reviewer(turns=2))
        reviewing = asyncio.create_task(review(stage, PULL))
        await stage.model.watch.until(lambda: bool(stage.model.requests), WAIT_S)
        stage.host.push(stage.hosted, 1)
        async with stage.serving("--workers", "0") as served:
            await stage.send(served, [stage.delivery(action="synchronize")])
            code, document, _ = await asyncio.wait_for(reviewing, WAIT_S)
            gate.open()
            assert await served.terminate() == 0
        assert (code, document["status"]) == (6, "superseded")
        assert stage.reviews() == []


async def test_ctrl_c_is_exit_130_and_leaves_no_job_and_no_process(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        gate = Gate()
        stage.model.script = behaviours.held(gate, reviewer(turns=2))
        process = await stage.start("review", PULL, "--agent", "scripted", "--allow-unsandboxed", "--json")
        await stage.model.watch.until(lambda: bool(stage.model.requests), WAIT_S)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
        gate.open()
        assert (process.returncode, out) == (130, b""), err
        assert err.decode().rstrip().endswith("Interrupted.")
        assert "Traceback" not in err.decode()
        assert descendants(process.pid) == []
        assert await jobs(stage) == ["skipped"]
        assert list((tmp_path / "state" / "scratch").glob("*/*")) == []


async def test_two_at_once_share_the_one_slot(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=2, workers=1) as stage:
        stage.model.script = reviewer(turns=2, wait_s=0.3)
        both = await asyncio.gather(review(stage, "octo/shop#1"), review(stage, "octo/shop#2"))
        assert [code for code, _, _ in both] == [0, 0]
        assert stage.model.peak_in_flight == 1
        assert stage.reviewed() == [1, 2]
        assert any("Waiting for a slot" in err for _, _, err in both)


async def test_in_actions_the_pull_request_is_found_and_a_fork_without_secrets_is_skipped(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        head = stage.hosted.pulls[1].head_sha

        def run(sha: str, source: str) -> dict[str, str]:
            event = tmp_path / "event.json"
            event.write_text(json.dumps({"pull_request": {"number": 1, "head": {"sha": sha, "repo": {"full_name": source}}}}))
            return {
                "GITHUB_ACTIONS": "true",
                "GITHUB_EVENT_NAME": "pull_request",
                "GITHUB_REPOSITORY": "octo/shop",
                "GITHUB_EVENT_PATH": str(event),
            }

        code, document, _ = await review(stage, **run("0" * 40, "octo/shop"))
        assert (code, document["status"]) == (6, "superseded")
        code, document, err = await review(stage, **run(head, "octo/shop"))
        assert (code, document["status"], document["reviewed_sha"]) == (0, "complete", head), err

        stage.change_profile({"secrets": {"model_api_key": "env:NOT_GIVEN_TO_FORKS"}})
        asked = len(stage.model.requests)
        code, document, _ = await review(stage, **run(head, "mallory/shop"))
        assert (code, document["status"]) == (0, "skipped")
        assert "fork" in document["reason"]
        assert (await review(stage, "--require", **run(head, "mallory/shop")))[0] == 5
        assert (await review(stage, **run(head, "octo/shop")))[0] == 2
        assert len(stage.model.requests) == asked


async def test_a_stranger_is_not_reviewed_by_a_workflow_and_is_by_a_person(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.host.touch(stage.hosted.pulls[1], author="mallory", association="NONE")
        event = tmp_path / "event.json"
        head = {"sha": stage.hosted.pulls[1].head_sha, "repo": {"full_name": "mallory/shop"}}
        event.write_text(json.dumps({"pull_request": {"number": 1, "head": head}}))
        variables = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "octo/shop", "GITHUB_EVENT_PATH": str(event)}
        code, document, err = await review(stage, GITHUB_EVENT_NAME="pull_request_target", **variables)
        assert (code, document["status"]) == (0, "skipped")
        assert "warning: This workflow runs on pull_request_target" in err
        assert stage.model.requests == []
        assert (await review(stage, PULL))[0] == 0


async def test_a_local_range_is_reviewed_without_a_host_and_never_posted(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        clone = stage.hosted.git.path
        stage.change_profile({"secrets": {"host_token": "env:NOT_THERE"}})
        words = ["--local", "main..refs/pull/1/head", "--repo", str(clone)]
        code, document, err = await review(stage, *words)
        assert (code, document["status"], document["number"], document["posted"]) == (0, "complete", 0, None), err
        assert document["repository"].startswith("local/")
        assert document["findings"]
        asked = len(stage.model.requests)
        assert (await review(stage, *words, "--fail-on", "warning"))[0] == 1
        assert len(stage.model.requests) == asked
        assert (stage.host.requests, stage.reviews()) == ([], [])
        job = (await stage.told("jobs", "list"))["jobs"][0]
        code, _, err = await stage.run("jobs", "retry", job["id"])
        assert code == 2
        assert "review --local" in err


def test_the_gate_knows_every_severity() -> None:
    assert [choice.value for choice in FailOn] == [*(severity.value for severity in Severity), "never"]
