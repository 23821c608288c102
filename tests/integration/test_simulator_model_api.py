from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from prreview_cli.trials.simulators import behaviours
from prreview_cli.trials.simulators.conversation import Reply, Turn
from prreview_cli.trials.simulators.loopback import Watch
from prreview_cli.trials.simulators.model_api import ModelApi
from prreview_cli.trials.simulators.moments import Moment, What
from support.simulators import KEY, MachineClock

DIFF = "--- a/examples/example_7.py\n+++ b/examples/example_7.py\n@@ -1,1 +1,2 @@\n a\n+b\n"


@pytest.fixture
async def api() -> AsyncIterator[ModelApi]:
    async with ModelApi(MachineClock(), KEY, behaviours.reviewer(turns=1)) as api:
        yield api


@pytest.fixture
async def client(api: ModelApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api.url, headers={"x-api-key": KEY}, timeout=20) as client:
        yield client


def request(*, stream: bool = True, prompt: str = DIFF) -> dict[str, Any]:
    tools = [{"name": "mcp__prreview__submit_review", "input_schema": {}}]
    return {"model": "m", "max_tokens": 9, "stream": stream, "tools": tools, "messages": [{"role": "user", "content": prompt}]}


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(block.split("data: ", 1)[1]) for block in text.strip().split("\n\n")]


async def test_a_turn_is_streamed_as_server_sent_events(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/messages", json=request())
    assert answer.headers["content-type"].startswith("text/event-stream")
    said = events(answer.text)
    assert [event["type"] for event in said][-2:] == ["message_delta", "message_stop"]
    start = next(event for event in said if event["type"] == "content_block_start")
    assert start["content_block"]["name"] == "mcp__prreview__submit_review"


async def test_without_streaming_the_same_turn_is_one_message(client: httpx.AsyncClient) -> None:
    said = (await client.post("/v1/messages", json=request(stream=False))).json()
    (block,) = said["content"]
    assert (block["type"], said["stop_reason"]) == ("tool_use", "tool_use")
    assert block["input"]["findings"][0] == behaviours.finding("examples/example_7.py", 2)


async def test_requests_are_recorded_with_their_key_their_tools_and_what_they_are_about(api: ModelApi, client: httpx.AsyncClient) -> None:
    await client.post("/v1/messages", json=request())
    await client.get("/api/hello")
    (seen,) = api.requests
    assert (seen.review, seen.key, seen.conversation.tools) == ("7", KEY, ("mcp__prreview__submit_review",))
    assert api.elsewhere == ["GET /api/hello"]


async def test_a_key_that_is_not_ours_or_was_revoked_is_401(api: ModelApi, client: httpx.AsyncClient) -> None:
    wrong = await client.post("/v1/messages", json=request(), headers={"x-api-key": "sk-wrong"})
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "authentication_error")
    api.revoke_key()
    assert (await client.post("/v1/messages", json=request())).status_code == 401
    api.restore_key()
    assert (await client.post("/v1/messages", json=request())).status_code == 200


@pytest.mark.parametrize(
    ("reply", "status", "kind", "hint"),
    [
        (behaviours.forbidden(), 403, "permission_error", None),
        (behaviours.rate_limited(), 429, "rate_limit_error", None),
        (behaviours.rate_limited(3), 429, "rate_limit_error", "3"),
        (behaviours.overloaded(), 529, "overloaded_error", None),
        (behaviours.broken(), 500, "api_error", None),
        (behaviours.credit_exhausted(), 400, "invalid_request_error", None),
        (behaviours.model_gone("m"), 404, "not_found_error", None),
    ],
)
async def test_bad_days_are_answered_in_the_apis_shape(
    api: ModelApi, client: httpx.AsyncClient, reply: Reply, status: int, kind: str, hint: str | None
) -> None:
    api.script = behaviours.always(reply)
    answer = await client.post("/v1/messages", json=request())
    assert (answer.status_code, answer.json()["error"]["type"], answer.headers.get("retry-after")) == (status, kind, hint)


async def test_a_stream_can_be_cut_and_an_answer_can_be_garbage(api: ModelApi, client: httpx.AsyncClient) -> None:
    api.script = behaviours.always(behaviours.cut_short())
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/v1/messages", json=request())
    api.script = behaviours.always(behaviours.garbage())
    assert (await client.post("/v1/messages", json=request())).headers["content-type"] == "text/html"
    await api.watch.until(lambda: api.in_flight == 0, 10)


async def test_a_body_that_is_no_json_is_400(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/messages", content=b"[1]")).status_code == 400
    assert (await client.post("/v1/messages", content=b"{")).status_code == 400


async def test_calls_in_flight_are_counted_and_a_client_that_hung_up_counts_no_more(api: ModelApi, client: httpx.AsyncClient) -> None:
    api.script = lambda _asked: Turn("Never said.", wait_s=600)
    calls = [asyncio.create_task(client.post("/v1/messages", json=request())) for _ in range(3)]
    await api.watch.until(lambda: len(api.requests) == 3, 10)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await api.watch.until(lambda: api.in_flight == 0, 10)
    assert api.peak_in_flight == 3


async def test_the_observer_is_told_of_each_request_about_a_review() -> None:
    moments: list[Moment] = []
    async with ModelApi(MachineClock(), KEY, observer=moments.append) as api, httpx.AsyncClient(base_url=api.url) as client:
        for prompt in (DIFF, "about nothing"):
            await client.post("/v1/messages", json=request(prompt=prompt), headers={"authorization": f"Bearer {KEY}"})
    assert [(moment.review, moment.what) for moment in moments] == [("7", What.MODEL_ASKED), ("7", What.ANSWERED)]


async def test_a_hostile_model_calls_what_it_was_not_offered(api: ModelApi, client: httpx.AsyncClient) -> None:
    api.script = behaviours.calls("Bash", {"command": "id"})
    said = (await client.post("/v1/messages", json=request(stream=False))).json()
    assert (said["content"][0]["name"], said["content"][0]["input"]) == ("Bash", {"command": "id"})


async def test_a_wait_in_another_thread_ends_with_a_notice_or_with_its_deadline() -> None:
    watch, done = Watch(), False
    waiting = asyncio.create_task(watch.until(lambda: done, 10))
    await asyncio.to_thread(watch.notify)
    done = True
    await asyncio.to_thread(watch.notify)
    await waiting
    with pytest.raises(TimeoutError):
        await watch.until(lambda: False, 0.01)
