"""Each recorded webhook, POSTed at a real `serve`, ends as the specification says."""

from __future__ import annotations

from pathlib import Path

import pytest

from prreview_cli.trials.simulators.webhooks import signed
from support.github_openapi import SAMPLES
from support.stage import Stage

# In this order: (file, answer, part of the reason, state of the pull request's job afterwards).
EXPECTED = [
    ("ping/payload.json", "ignored", "ping", None),
    ("check_run/rerequested.payload.json", "ignored", "check_run", None),
    ("issue_comment/created.payload.json", "ignored", "issue_comment", None),
    ("pull_request/labeled.payload.json", "ignored", "labeled", None),
    ("pull_request/review_requested.payload.json", "ignored", "review_requested", None),
    ("pull_request/opened.payload.json", "queued", "", "queued"),
    ("pull_request/opened.with-organization.payload.json", "duplicate", "", "queued"),
    ("pull_request/synchronize.payload.json", "duplicate", "", "queued"),
    ("pull_request/closed.payload.json", "ignored", "closed", "skipped"),
    ("pull_request/synchronize.payload.json", "superseded", "", "skipped"),
    ("pull_request/ready_for_review.payload.json", "queued", "", "queued"),
    ("pull_request/converted_to_draft.payload.json", "ignored", "draft", "skipped"),
]


@pytest.mark.skipif(not SAMPLES.exists(), reason="the recorded webhooks are not on this machine")
async def test_each_recorded_webhook_ends_as_specified(tmp_path: Path) -> None:
    assert {str(path.relative_to(SAMPLES / "webhooks")) for path in (SAMPLES / "webhooks").rglob("*.json")} == {
        name for name, *_ in EXPECTED
    }
    with Stage(tmp_path) as stage:
        async with stage.serving("--workers", "0") as served:
            for name, status, reason, state in EXPECTED:
                body = (SAMPLES / "webhooks" / name).read_bytes()
                [answer] = await stage.send(served, [signed(body, stage.keys.webhook_secret, event=name.partition("/")[0])])
                assert (answer["status"], reason in answer["reason"].lower()) == (status, True), (name, answer)
                states = [job["state"] for job in (await stage.told("jobs", "list"))["jobs"]]
                assert states == ([] if state is None else [state]), name
            told = await stage.told("why", "Codertocat/Hello-World#2")
            assert len(told["deliveries"]) == len([name for name, *_ in EXPECTED if name.startswith("pull_request")])
            assert await served.terminate() == 0
