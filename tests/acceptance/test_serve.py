"""`serve` as its users meet it: real processes, real signals, the simulated host and model."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import httpx

from prreview_cli.trials.simulators import behaviours
from prreview_cli.trials.simulators.behaviours import reviewer
from prreview_cli.trials.simulators.faults import Fault, LoseAnswer
from prreview_cli.trials.simulators.repository import Commit
from support.processes import alive, until
from support.stage import Stage, eventually, get


async def test_the_same_webhook_many_times_is_one_job_and_one_review(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        async with stage.serving() as served:
            delivery = stage.delivery()
            answers = await stage.send(served, [delivery] * 15)
            assert sorted(answer["status"] for answer in answers) == ["duplicate"] * 14 + ["queued"]
            await stage.posted(1)
            later = await stage.send(served, [stage.again(delivery) for _ in range(5)])
            assert {answer["status"] for answer in later} == {"duplicate"}
            assert await served.terminate() == 0
        async with stage.serving() as served:
            assert (await stage.send(served, [stage.again(delivery)]))[0]["status"] == "duplicate"
            jobs = (await stage.told("jobs", "list"))["jobs"]
            assert [(job["state"], job["attempts"]) for job in jobs] == [("posted", 0)]
            assert {answer["job"] for answer in [*answers, *later]} == {jobs[0]["id"]}
            assert await served.terminate() == 0
        assert stage.reviewed() == [1]


async def test_a_rejected_key_reviews_nothing_pauses_and_after_resume_everything_finishes(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=6) as stage:
        stage.model.revoke_key()
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery(number) for number in range(1, 7)])
            status = await eventually(stage, ["status"], lambda said: said["paused"] and not said["running"])
            assert "key" in status["paused"]["reason"]
            assert (status["queued"], status["scheduled"], status["dead"]) == (6, 0, 0)
            assert len(stage.model.requests) <= stage.workers
            assert stage.reviews() == []
            assert {job["attempts"] for job in (await stage.told("jobs", "list"))["jobs"]} == {0}
            ready, health = await get(f"{served.ops}/readyz"), await get(f"{served.root}/healthz")
            assert (ready.status_code, health.status_code) == (503, 200)
            assert "paused" in ready.text

            code, _, err = await stage.run("resume")
            assert code == 4
            assert "error:" in err
            assert (await stage.told("status"))["paused"] is not None

            stage.model.restore_key()
            code, _, err = await stage.run("resume")
            assert code == 0, err
            await stage.posted(6)
            assert (await get(f"{served.ops}/readyz")).status_code == 200
            assert await served.terminate() == 0
        assert stage.reviewed() == [1, 2, 3, 4, 5, 6]


async def test_a_new_key_in_the_file_is_taken_up_by_resume_without_a_restart(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.model.revoke_key()
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await eventually(stage, ["status"], lambda said: said["paused"] is not None)
            fresh = "sk-ant-a-new-key-" + "x7Kq" * 12
            stage.model.keys.add(fresh)
            (tmp_path / "secrets" / "model_api_key").write_text(fresh)
            assert (await stage.run("resume"))[0] == 0
            await stage.posted(1)
            assert stage.model.requests[-1].key == fresh
            assert await served.terminate() == 0


async def test_a_revoked_host_token_posts_nothing_and_pauses(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.host.revoke_token()
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            status = await eventually(stage, ["status"], lambda said: said["paused"] is not None)
            assert "token" in status["paused"]["reason"]
            assert stage.model.requests == []
            stage.host.restore_token()
            assert (await stage.run("resume"))[0] == 0
            await stage.posted(1)
            assert await served.terminate() == 0


async def test_a_push_during_a_review_is_the_one_that_is_posted(tmp_path: Path) -> None:
    with Stage(tmp_path, changes={"review": {"min_interval_s": 0.2}}) as stage:
        stage.model.script = reviewer(turns=2, wait_s=1.5)
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await stage.model.watch.until(lambda: bool(stage.model.requests), 30)
            newer = stage.host.push(stage.hosted, 1)
            await stage.send(served, [stage.delivery(action="synchronize")])
            await stage.posted(1)
            await eventually(stage, ["status"], lambda said: not said["queued"] + said["scheduled"] + said["running"])
            assert [review.commit_id for review in stage.reviews()] == [newer]
            states = sorted(job["state"] for job in (await stage.told("jobs", "list"))["jobs"])
            assert states == ["posted", "superseded"]
            assert await served.terminate() == 0


async def test_a_push_after_a_review_marks_the_earlier_one_outdated(tmp_path: Path) -> None:
    with Stage(tmp_path, changes={"review": {"min_interval_s": 0.2}}) as stage:
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await stage.posted(1)
            stage.host.push(stage.hosted, 1)
            await stage.send(served, [stage.delivery(action="synchronize")])
            await stage.posted(2)
            await eventually(stage, ["jobs", "list"], lambda said: {job["state"] for job in said["jobs"]} == {"posted"})
            first, second = stage.reviews()
            assert "outdated" in first.body.lower().splitlines()[0]
            assert "outdated" not in second.body.lower()
            assert await served.terminate() == 0


async def test_a_base_branch_that_moved_on_changes_neither_the_diff_nor_the_anchors(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        git = stage.hosted.git
        git.make([Commit("refs/heads/main", stage.hosted.base_tip(), "Go on\n", {"elsewhere.py": "MOVED_ON = True\n"})])
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await stage.posted(1)
            assert await served.terminate() == 0
        refused = [seen for seen in stage.host.requests if seen.status == 422]
        assert refused == []
        [review] = stage.reviews()
        assert review.comments


async def test_a_stranger_costs_nothing_until_a_maintainer_puts_the_label_on(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        pull = stage.hosted.pulls[1]
        pull.author, pull.association = "mallory", "NONE"
        async with stage.serving() as served:
            assert (await stage.send(served, [stage.delivery()]))[0]["status"] == "queued"
            await eventually(stage, ["jobs", "list"], lambda said: said["jobs"][0]["state"] == "skipped")
            assert stage.model.requests == []
            why = await stage.told("why", "octo/shop#1")
            assert "mallory" in why["jobs"][0]["reason"]
            await stage.send(served, [stage.delivery(action="labeled", label={"name": "prreview"})])
            await stage.posted(1)
            assert await served.terminate() == 0


async def test_closing_cancels_what_waits(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        async with stage.serving("--workers", "0") as served:
            await stage.send(served, [stage.delivery()])
            stage.host.touch(stage.hosted.pulls[1], state="closed")
            [answer] = await stage.send(served, [stage.delivery(action="closed")])
            assert answer["status"] == "ignored"
            [job] = (await stage.told("jobs", "list"))["jobs"]
            assert job["state"] == "skipped"
            assert "closed" in job["reason"]
            assert await served.terminate() == 0


async def test_an_answer_that_was_lost_is_not_posted_twice(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.host.faults.append(Fault("POST", "*/reviews", LoseAnswer()))
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await eventually(stage, ["jobs", "list"], lambda said: said["jobs"][0]["state"] == "posted")
            assert await served.terminate() == 0
        assert stage.reviewed() == [1]
        assert len([seen for seen in stage.host.requests if seen.method == "POST" and seen.path.endswith("/reviews")]) == 1


async def test_a_rate_limit_of_the_model_is_waited_for(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        stage.model.script = behaviours.first(1, behaviours.rate_limited(1), reviewer(turns=2))
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await stage.posted(1)
            first, second = stage.model.requests[:2]
            assert second.at - first.at >= 1.0
            assert await served.terminate() == 0


async def test_sigterm_lets_a_running_review_finish_and_takes_no_more(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=2, workers=1) as stage:
        stage.model.script = reviewer(turns=2, wait_s=1.0)
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery(1), stage.delivery(2)])
            await stage.model.watch.until(lambda: bool(stage.model.requests), 30)
            assert await served.terminate() == 0
        assert len(stage.reviews()) == 1
        status = await stage.told("status")
        assert (status["queued"], status["running"]) == (1, 0)


async def test_a_drain_that_takes_too_long_hands_back_uncharged(tmp_path: Path) -> None:
    with Stage(tmp_path, changes={"workers": {"drain_s": 0.5}}) as stage:
        stage.model.script = reviewer(turns=2, wait_s=30.0)
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await stage.model.watch.until(lambda: bool(stage.model.requests), 30)
            assert await served.terminate(15) == 0
        [job] = (await stage.told("jobs", "list"))["jobs"]
        assert (job["state"], job["attempts"]) == ("queued", 0)


async def test_killing_everything_at_five_moments_of_a_burst_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=5, workers=4, agent="claude", changes={"workers": {"lease_s": 5.0, "max_attempts": 20}}) as stage:
        stage.model.script = reviewer(turns=2, wait_s=0.2)
        seen: set[int] = set()
        for round_ in range(5):
            async with stage.serving() as served:
                await stage.send(served, [stage.delivery(round_ + 1)])
                requests = len(stage.host.requests) + len(stage.model.requests)
                # A moment that is different in each round: after so many further requests of the workers.
                moment = requests + 4 * round_
                with suppress(TimeoutError):
                    await stage.host.watch.until(lambda: len(stage.host.requests) + len(stage.model.requests) >= moment, 10)  # noqa: B023
                seen |= set(served.family())
                await served.kill_everything()
        async with stage.serving() as served:
            await eventually(stage, ["jobs", "list"], lambda said: {job["state"] for job in said["jobs"]} == {"posted"}, 120)
            seen |= set(served.family())
            assert await served.terminate() == 0
        assert stage.reviewed() == list(range(1, 6))
        await until(lambda: not alive() & seen, 5)


async def test_forged_and_malformed_deliveries_leave_no_trace(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        good = stage.delivery()
        async with stage.serving("--workers", "0") as served:
            async with httpx.AsyncClient(trust_env=False) as client:

                async def status(body: bytes, **headers: str | bytes) -> int:
                    named = {key.replace("_", "-"): value for key, value in headers.items()}
                    base = {key.lower(): value for key, value in good.headers.items()}
                    return (await client.post(served.webhook, content=body, headers=base | named)).status_code  # type: ignore[arg-type]

                assert await status(good.body + b" ") == 401
                assert await status(good.body, x_hub_signature_256="sha256=é".encode("latin-1")) == 401
                assert await status(good.body, x_hub_signature_256="") == 401
                broken = stage.again(type(good)(b"{not json", {}))
                assert await status(broken.body, x_hub_signature_256=broken.headers["X-Hub-Signature-256"]) == 400
                assert await status(good.body, content_type="application/x-www-form-urlencoded") == 415
                assert (await client.get(served.root + "/metrics")).status_code == 404
            assert (await stage.told("jobs", "list"))["jobs"] == []
            assert (await stage.told("why", "octo/shop#1"))["deliveries"] == []
            assert await served.terminate() == 0


async def test_why_tells_the_whole_story(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        async with stage.serving() as served:
            delivery = stage.delivery()
            await stage.send(served, [delivery])
            await stage.posted(1)
            why = await eventually(stage, ["why", "octo/shop#1"], lambda said: said["posted"] is not None)
            assert await served.terminate() == 0
        assert [(item["delivery"], item["event"], item["action"], item["status"]) for item in why["deliveries"]] == [
            (delivery.id, "pull_request", "opened", "queued")
        ]
        assert [(item["outcome"], item["model_calls"] >= 2, item["usd"] > 0) for item in why["attempts"]] == [("posted", True, True)]
        assert why["posted"]["review_id"] == str(stage.reviews()[0].id)
        code, page, _ = await stage.run("why", "octo/shop#1")
        assert code == 0
        assert str(stage.reviews()[0].id) in page


async def test_two_pools_on_one_queue_share_the_bound(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=8, workers=2) as stage:
        stage.model.script = reviewer(turns=2, wait_s=0.3)
        async with stage.serving() as served, stage.working("--workers", "4"):
            await stage.send(served, [stage.delivery(number) for number in range(1, 9)])
            await stage.posted(8)
            assert stage.model.peak_in_flight <= 2
            assert await served.terminate() == 0
        assert stage.reviewed() == list(range(1, 9))


async def test_enqueue_by_hand_waits_and_says_how_it_ended(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        async with stage.serving() as served:
            code, out, err = await stage.run("enqueue", "octo/shop#1", "--wait", "--json")
            assert code == 0, err
            said = json.loads(out)
            assert (said["status"], said["ended"]["state"], said["review"]["status"]) == ("queued", "posted", "complete")
            again = await stage.told("enqueue", "octo/shop#1")
            assert (again["status"], again["job"]) == ("duplicate", said["job"])
            assert await served.terminate() == 0
        assert stage.reviewed() == [1]


async def test_no_secret_is_left_in_logs_database_or_answers(tmp_path: Path) -> None:
    with Stage(tmp_path, changes={"state": {"log_level": "debug"}}) as stage:
        stage.model.script = behaviours.first(
            1, behaviours.key_rejected(f"invalid x-api-key: {stage.keys.model_api_key}"), reviewer(turns=2)
        )
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await eventually(stage, ["status"], lambda said: said["paused"] is not None)
            assert (await stage.run("resume"))[0] == 0
            await stage.posted(1)
            pages = [(await get(f"{served.ops}{path}")).text for path in ("/", "/metrics", "/readyz")]
            assert await served.terminate() == 0
        kept = [path for path in tmp_path.rglob("*") if path.is_file() and "secrets" not in path.parts]
        assert any(path.suffix == ".jsonl" for path in kept)
        texts = (
            [path.read_bytes() for path in kept] + [page.encode() for page in pages] + [review.body.encode() for review in stage.reviews()]
        )
        for secret in (stage.keys.model_api_key, stage.keys.host_token, stage.keys.webhook_secret):
            assert not any(secret.encode() in text for text in texts)
