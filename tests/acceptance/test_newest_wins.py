"""A push supersedes, in real processes: during the review, during the post, and a hundred times in a row."""

from __future__ import annotations

import time
from pathlib import Path

from prreview_cli.trials.simulators.behaviours import reviewer
from prreview_cli.trials.simulators.faults import Fault, Hold
from prreview_cli.trials.simulators.loopback import Gate
from prreview_cli.trials.simulators.repository import Commit
from support.stage import Stage, eventually

AFTER_THE_ACKNOWLEDGEMENT_S = 2.0
INTERVAL_S = 5.0


def heads_asked_about(stage: Stage, heads: list[str]) -> list[tuple[float, str]]:
    """When the model was asked, and about which of these heads."""
    found = []
    for asked in stage.model.requests:
        text = asked.conversation.text()
        found += [(asked.at, head) for head in heads if f", head {head}." in text]
    return found


def prepared(stage: Stage, count: int) -> list[str]:
    """So many further heads of the pull request, in the repository but not pushed yet."""
    parent = stage.hosted.pulls[1].head_sha
    return stage.hosted.git.make(
        [Commit(f"refs/storm/{number}", parent, f"Try {number}\n", {"shop/tries.py": f"TRIES = {number}\n"}) for number in range(count)]
    )


async def at_rest(stage: Stage) -> dict[str, str]:
    """Each head's state, once nothing waits or runs."""
    await eventually(stage, ["status"], lambda said: not said["queued"] + said["scheduled"] + said["running"])
    return {job["head_sha"]: job["state"] for job in (await stage.told("jobs", "list"))["jobs"]}


async def test_no_model_request_for_an_older_head_follows_the_acknowledgement_of_a_push(tmp_path: Path) -> None:
    with Stage(tmp_path, changes={"review": {"min_interval_s": 0.2}}) as stage:
        stage.model.script = reviewer(turns=5, wait_s=0.7)
        older = stage.hosted.pulls[1].head_sha
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await stage.model.watch.until(lambda: len(stage.model.requests) >= 2, 30)
            newer = stage.host.push(stage.hosted, 1)
            await stage.send(served, [stage.delivery(action="synchronize")])
            acknowledged = time.monotonic()
            await stage.posted(1)
            assert await at_rest(stage) == {older: "superseded", newer: "posted"}
            assert await served.terminate() == 0
        asked = heads_asked_about(stage, [older, newer])
        assert {head for _, head in asked} == {older, newer}
        assert [at for at, head in asked if head == older and at > acknowledged + AFTER_THE_ACKNOWLEDGEMENT_S] == []
        assert [review.commit_id for review in stage.reviews()] == [newer]


async def test_a_post_that_was_sent_before_the_push_is_settled_first_and_then_marked_outdated(tmp_path: Path) -> None:
    with Stage(tmp_path, changes={"review": {"min_interval_s": 0.2}}) as stage:
        gate = Gate()
        stage.host.faults.append(Fault("POST", "*/reviews", Hold(gate)))
        older = stage.hosted.pulls[1].head_sha
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            await gate.reached()
            newer = stage.host.push(stage.hosted, 1)
            await stage.send(served, [stage.delivery(action="synchronize")])
            gate.open()
            await stage.posted(2)
            assert await at_rest(stage) == {older: "posted", newer: "posted"}
            first_hold, second_hold = (await stage.told("why", "octo/shop#1"))["attempts"]
            assert first_hold["ended"] <= second_hold["started"], "the newer head is not even taken before"
            assert await served.terminate() == 0
        first, second = stage.reviews()
        assert (first.commit_id, second.commit_id) == (older, newer)
        assert "outdated" in first.body.lower().splitlines()[0]
        assert "outdated" not in second.body.lower()


async def test_a_storm_of_a_hundred_pushes_costs_at_most_two_reviews(tmp_path: Path) -> None:
    with Stage(tmp_path, changes={"review": {"min_interval_s": INTERVAL_S}}) as stage:
        stage.model.script = reviewer(turns=3, wait_s=0.2)
        heads = [stage.hosted.pulls[1].head_sha, *prepared(stage, 100)]
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery()])
            began = time.monotonic()
            for head in heads[1:]:
                stage.host.touch(stage.hosted.pulls[1], head_sha=head)
                await stage.send(served, [stage.delivery(action="synchronize")])
            intervals = int((time.monotonic() - began) // INTERVAL_S)
            await stage.host.watch.until(lambda: heads[-1] in {review.commit_id for review in stage.reviews()}, 60)
            states = await at_rest(stage)
            assert await served.terminate() == 0
        assert len(states) == 101
        assert states[heads[-1]] == "posted"
        begun = {head for _, head in heads_asked_about(stage, heads)}
        # A push within the interval waits, and the next one takes its place. A slow machine may need more than one interval.
        assert len(begun) <= 2 + intervals
