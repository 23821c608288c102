"""The gateway's door: what goes through it, and as what."""

from __future__ import annotations

import asyncio
import json
import socket

import httpx
import pytest

from prreview_cli.core.errors import ModelToolsDiffer
from support.gateways import KEY, WIRE, body, post, running
from support.model_api import Answer, Request, message, says, scripted_model


def tools(*names: str, **more: str):
    return [{"name": name, "input_schema": {"type": "object"}, **more} for name in names]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/messages"),
        ("POST", "/v1/messages/count_tokens?beta=true"),
        ("POST", "/v1/complete"),
        ("GET", "/v1/models"),
        ("HEAD", "/v1/messages"),
        ("POST", "//v1/messages"),
    ],
)
async def test_another_route_goes_nowhere(method, path):
    async with (
        scripted_model([message(says("hi"))]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
        httpx.AsyncClient(trust_env=False, verify=False) as client,
    ):
        response = await client.request(method, grant.base_url + path, headers={"x-api-key": grant.token}, json=body())
    assert response.status_code == 403
    assert response.headers["x-should-retry"] == "false"
    assert model.requests == []
    assert grant.failure is None


async def test_a_request_with_another_query_goes_nowhere():
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        assert (await post(grant, path="/v1/messages?beta=true&x=1")).status_code == 403
    assert model.requests == []


@pytest.mark.parametrize("token", ["", "x", KEY, "é" * 43])
async def test_a_wrong_token_goes_nowhere(token):
    async with (
        scripted_model([message(says("hi"))]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
        httpx.AsyncClient(trust_env=False, verify=False) as client,
    ):
        headers = {"x-api-key": token.encode()}
        assert (await client.post(grant.base_url + "/v1/messages", headers=headers, json=body())).status_code == 403
    assert model.requests == []
    assert rig.gateway.refusals == {"unknown token": 1}


async def test_a_token_dies_with_its_grant_and_opens_no_other():
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig:
        async with rig.grant() as first, rig.grant() as second:
            assert first.token != second.token
            first.revoke()
            assert (await post(first)).status_code == 403
            assert (await post(second)).status_code == 200
        assert (await post(second)).status_code == 403
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "claude-other"},
        {"stream": False},
        {"stream": None},
        {"max_tokens": 0},
        {"max_tokens": None},
        {"max_tokens": "many"},
        {"tools": "none"},
        {"model": None},
    ],
    ids=str,
)
async def test_a_request_for_anything_else_goes_nowhere(changes):
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        assert (await post(grant, body(**changes))).status_code == 403
        assert grant.failure is None
    assert model.requests == []


async def test_what_is_no_json_goes_nowhere():
    async with (
        scripted_model([message(says("hi"))]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
        httpx.AsyncClient(trust_env=False, verify=False) as client,
    ):
        for text in (b"", b"{", b"[" * 5000, b"\xff\xfe", b"[]"):
            assert (await client.post(grant.base_url + "/v1/messages", headers={"x-api-key": grant.token}, content=text)).status_code == 403
    assert model.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": None},
        {"tools": []},
        {"tools": tools(*WIRE, "Bash")},
        {"tools": tools(*sorted(WIRE)[1:])},
        {"tools": tools(*sorted(WIRE), min(WIRE))},
        {"tools": tools(*WIRE, type="web_search_20250305")},
        {"mcp_servers": [{"type": "url", "url": "https://evil.example", "name": "x"}]},
    ],
    ids=["none", "empty", "more", "fewer", "twice", "of-the-provider", "remote-server"],
)
async def test_other_tools_than_ours_are_never_offered_to_the_model(changes):
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        assert (await post(grant, body(**changes))).status_code == 403
        assert isinstance(grant.failure, ModelToolsDiffer)
        assert (await post(grant)).status_code == 200
        assert grant.failure is None
    assert len(model.requests) == 1


async def test_the_greeting_is_answered_here():
    async with (
        scripted_model([message(says("hi"))]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
        httpx.AsyncClient(trust_env=False, verify=False) as client,
    ):
        assert (await client.head(grant.base_url + "/api/hello")).status_code == 200
    assert model.requests == []


async def test_the_request_goes_on_as_it_came_but_with_the_real_key():
    asked = body(thinking={"type": "adaptive"}, unknown_field={"kept": ["ü", 1.50]})
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url + "/") as rig, rig.grant() as grant:
        headers = {
            "authorization": f"Bearer {grant.token}",
            "anthropic-beta": "one,two",
            "anthropic-version": "2023-06-01",
            "connection": "keep-alive, x-hop",
            "x-hop": "1",
            "te": "trailers",
            "cookie": "a=b",
            "user-agent": "cli/1",
        }
        answer = await post(grant, asked, **{name.replace("-", "_"): value for name, value in headers.items()})
    (request,) = model.requests
    assert (request.method, request.target) == ("POST", "/v1/messages?beta=true")
    assert request.json == asked
    assert request.body == json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()
    assert request.headers["x-api-key"] == KEY
    assert request.headers["anthropic-beta"] == "one,two"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["user-agent"] == "cli/1"
    assert request.headers["host"] == model.base_url.removeprefix("http://")
    assert not {"authorization", "cookie", "te", "x-hop"} & set(request.headers)
    assert grant.token not in str(request.headers)
    assert answer.content == b"".join(message(says("hi")).pieces)
    assert answer.headers["content-type"] == "text/event-stream"


async def test_the_environments_proxy_is_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        assert (await post(grant)).status_code == 200


async def test_a_redirect_is_not_followed():
    async with scripted_model([message(says("hi"))]) as trap:
        moved = Answer(307, {"location": f"{trap.base_url}/v1/messages"})
        async with scripted_model([moved]) as model, running(model.base_url) as rig, rig.grant() as grant:
            assert (await post(grant)).status_code == 502
    assert trap.requests == []


async def test_each_part_of_an_answer_is_passed_on_at_once():
    answer = message(says("hello"))
    gate = asyncio.Event()
    answer.gates = {len(answer.pieces) - 1: gate}
    async with (
        scripted_model([answer]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
        httpx.AsyncClient(trust_env=False, verify=False) as client,
        client.stream("POST", grant.base_url + "/v1/messages", headers={"x-api-key": grant.token}, json=body()) as response,
    ):
        parts = response.aiter_bytes()
        seen = b""
        while b"message_delta" not in seen:
            seen += await asyncio.wait_for(anext(parts), 5)
        assert rig.gateway.calls_in_flight == 1
        gate.set()
        async for part in parts:
            seen += part
    assert seen == b"".join(answer.pieces)
    assert rig.gateway.calls_in_flight == 0


async def test_further_calls_of_a_review_wait_for_their_turn():
    def answer(request: Request) -> Answer:
        gated = message(says("hi"))
        gated.gates = {1: gate}
        return gated

    gate = asyncio.Event()
    async with scripted_model(answer) as model, running(model.base_url) as rig, rig.grant(calls=1) as grant, rig.grant(calls=2) as other:
        posts = [asyncio.create_task(post(one)) for one in (grant, grant, grant, other, other)]
        while len(model.requests) < 3:
            model.asked.clear()
            await asyncio.wait_for(model.asked.wait(), 5)
        assert rig.gateway.calls_in_flight == 3
        gate.set()
        assert [response.status_code for response in await asyncio.gather(*posts)] == [200] * 5
    assert model.peak == 3
    assert len(model.requests) == 5


async def test_a_revoked_grant_cuts_what_is_under_way():
    gated = message(says("hi"))
    gated.gates = {2: asyncio.Event()}
    async with scripted_model([gated]) as model, running(model.base_url) as rig, rig.grant() as grant:
        asking = asyncio.create_task(post(grant))
        await asyncio.wait_for(model.asked.wait(), 5)
        grant.revoke()
        with pytest.raises(httpx.RemoteProtocolError):
            (await asking).raise_for_status()
        await grant.settled(5)
        assert rig.gateway.calls_in_flight == 0
    assert len(rig.book.settled) == len(rig.book.reserved) == 1


async def test_a_grant_that_is_left_in_a_hurry_is_revoked_all_the_same():
    gated = message(says("hi"))
    gated.gates = {2: asyncio.Event()}
    opened = []

    async def review() -> None:
        async with rig.grant() as grant:
            opened.append(grant)
            await post(grant)

    async with scripted_model([gated]) as model, running(model.base_url) as rig:
        reviewing = asyncio.create_task(review())
        await asyncio.wait_for(model.asked.wait(), 5)
        for _ in range(2):  # as at a push, and then at a time-out, while the bill is waited for
            reviewing.cancel()
            await asyncio.wait({reviewing}, timeout=0.2)
        assert reviewing.done()
        assert (await post(opened[0])).status_code == 403
    assert len(model.requests) == 1


async def test_a_header_that_could_not_be_sent_on_goes_nowhere_and_costs_nothing():
    async with (
        scripted_model([message(says("hi"))]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
        httpx.AsyncClient(trust_env=False, verify=False) as client,
    ):
        headers = {"x-api-key": grant.token.encode(), "x-odd": "é".encode()}
        assert (await client.post(grant.base_url + "/v1/messages", headers=headers, json=body())).status_code == 403
    assert (model.requests, rig.book.reserved) == ([], [])


async def test_a_grant_answers_at_a_door_that_it_is_given_until_it_ends():
    door = socket.create_server(("127.0.0.1", 0))
    url, address = f"http://127.0.0.1:{door.getsockname()[1]}", door.getsockname()
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig:
        async with rig.grant() as grant, httpx.AsyncClient(trust_env=False, verify=False) as client:
            await grant.listen(door.detach())
            response = await client.post(f"{url}/v1/messages?beta=true", json=body(), headers={"x-api-key": grant.token})
            assert response.status_code == 200
            assert (await post(grant)).status_code == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
        late = socket.create_server(("127.0.0.1", 0))
        address = late.getsockname()
        await grant.listen(late.detach())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=5)
    assert len(model.requests) == 2
