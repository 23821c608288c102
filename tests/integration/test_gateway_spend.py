"""The bill is capped before it is spent: reserve, call, settle, in every way that a call can end."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from prreview_cli.core.budget import worst_case
from prreview_cli.core.errors import BudgetReached, DayBudgetReached, ModelKeyRejected, ModelUnreachable, Paused, ProfileError
from prreview_cli.core.ports.store import Pause
from prreview_cli.core.review import Usage
from support.gateways import LEASE, NOON, PRICES, body, post, running
from support.model_api import Answer, error, message, says, scripted_model

USED = Usage(input_tokens=200, output_tokens=25, usd=(100 * 3.0 + 40 * 3.75 + 60 * 0.3 + 25 * 15.0) / 1e6, model_calls=1)
"""What one scripted message is billed for."""


def size(asked: dict[str, object]) -> int:
    return len(json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode())


async def test_the_worst_case_is_reserved_before_the_call_and_replaced_by_the_bill():
    asked = body(max_tokens=2000)
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        await post(grant, asked)
        await grant.settled(5)
        assert rig.book.reserved == [(LEASE, worst_case(size(asked), 2000, PRICES))]
        assert rig.book.settled == [("1", USED, 200)]
        assert grant.usage == USED


async def test_a_grown_conversation_reserves_only_what_is_new():
    first = body(messages=[{"role": "user", "content": "x" * 50_000}])
    second = body(messages=[*first["messages"], {"role": "assistant", "content": "y" * 100}])
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        await post(grant, first)
        await post(grant, second)
    growth = size(second) - size(first)
    assert rig.book.reserved[1][1] <= worst_case(200 + growth, 1000, PRICES)
    assert rig.book.reserved[1][1] < rig.book.reserved[0][1] / 5


@pytest.mark.parametrize("cap", ["review", "pull_request"])
async def test_a_call_that_could_exceed_a_reviews_cap_is_not_made(cap):
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        rig.book.full = cap
        assert (await post(grant)).status_code == 403
        assert isinstance(grant.failure, BudgetReached)
    assert model.requests == []
    assert rig.failures == []


async def test_a_call_that_could_exceed_the_days_cap_is_not_made_and_concerns_the_profile():
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        rig.book.full = "day"
        assert (await post(grant)).status_code == 403
        assert isinstance(grant.failure, DayBudgetReached)
        assert rig.failures == [grant.failure]
    assert model.requests == []


async def test_while_the_profile_is_paused_nothing_is_reserved_or_sent():
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        rig.switch.pause_in_force = Pause("an operator said so", NOON)
        assert (await post(grant)).status_code == 403
        assert isinstance(grant.failure, Paused)
        assert "an operator said so" in str(grant.failure)
    assert model.requests == []
    assert rig.book.reserved == []


async def test_a_model_without_a_known_price_is_not_used():
    with pytest.raises(ProfileError, match=r"price of the model 'claude-test'") as caught:
        async with running("http://127.0.0.1:9", prices=None):
            pass
    assert "model.prices" in caught.value.remedy


async def test_an_answer_cut_short_is_billed_for_what_came_and_is_never_less_than_that():
    answer = message(says("seven characters times three"))
    cut = replace(answer, pieces=answer.pieces[:3], cut=True)
    async with scripted_model([cut]) as model, running(model.base_url) as rig, rig.grant() as grant:
        with pytest.raises(httpx.RemoteProtocolError):
            await post(grant)
        await grant.settled(5)
        assert isinstance(grant.failure, ModelUnreachable)
    ((_, usage, status),) = rig.book.settled
    assert (usage.input_tokens, usage.output_tokens, status) == (200, 28, 200)
    assert len(model.requests) == 1  # a part had been passed on: it cannot be asked for again


async def test_an_answer_whose_reader_has_gone_is_read_on_for_its_bill():
    answer = message(says("hi"))
    gate = asyncio.Event()
    answer.gates = {len(answer.pieces) - 2: gate}
    async with scripted_model([answer]) as model, running(model.base_url) as rig, rig.grant() as grant:
        async with httpx.AsyncClient(trust_env=False, verify=False) as client:
            request = client.build_request("POST", grant.base_url + "/v1/messages", headers={"x-api-key": grant.token}, json=body())
            response = await client.send(request, stream=True)
            await anext(response.aiter_bytes())
            await response.aclose()
        gate.set()
        await grant.settled(5)
        assert grant.usage == USED
    assert rig.book.settled == [("1", USED, 200)]


async def test_what_may_have_been_billed_counts_as_spent():
    async with scripted_model([Answer(no_head=True)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        await post(grant)
    assert len(rig.book.settled) == len(model.requests)
    assert {(usage.usd, status) for _, usage, status in rig.book.settled} == {(rig.book.reserved[0][1], None)}


async def test_what_was_never_sent_or_was_refused_costs_nothing():
    async with running("http://127.0.0.1:9") as rig, rig.grant() as grant:
        await post(grant)
        assert isinstance(grant.failure, ModelUnreachable)
    assert {(usage.usd, status) for _, usage, status in rig.book.settled} == {(0.0, None)}
    async with scripted_model([error(401, "authentication_error", "no")]) as model, running(model.base_url) as rig, rig.grant() as grant:
        await post(grant)
    assert rig.book.settled == [("1", Usage(model_calls=1), 401)]


async def test_what_was_reserved_for_a_call_that_is_revoked_before_it_is_sent_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, written = asyncio.Event(), asyncio.Event()
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        reserve = rig.book.reserve

        async def slowly(*how: Any) -> str:
            asked.set()
            await written.wait()
            return await reserve(*how)

        monkeypatch.setattr(rig.book, "reserve", slowly)
        posting = asyncio.create_task(post(grant))
        await asyncio.wait_for(asked.wait(), 5)
        grant.revoke()
        written.set()
        await grant.settled(5)
        await asyncio.gather(posting, return_exceptions=True)
    assert model.requests == []
    assert rig.book.settled == [("1", Usage(), None)]


async def test_closing_the_gateway_settles_what_was_under_way():
    answer = message(says("hi"))
    answer.gates = {2: asyncio.Event()}
    async with scripted_model([answer]) as model:
        async with running(model.base_url) as rig:
            opened = rig.grant()
            grant = await opened.__aenter__()
            asking = asyncio.create_task(post(grant))
            await asyncio.wait_for(model.asked.wait(), 5)
        assert len(rig.book.settled) == 1
        await asyncio.gather(asking, return_exceptions=True)
        await opened.__aexit__(None, None, None)


async def test_what_is_reserved_while_its_call_is_cut_off_is_given_back():
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig:
        reserve, written, gate = rig.book.reserve, asyncio.Event(), asyncio.Event()

        async def slowly(*given):
            reservation = await reserve(*given)
            written.set()
            await gate.wait()
            return reservation

        rig.book.reserve = slowly
        async with rig.grant() as grant:
            asking = asyncio.create_task(post(grant))
            await asyncio.wait_for(written.wait(), 5)
            grant.revoke()
            assert (await asking).status_code == 403
        gate.set()
    assert (model.requests, grant.usage) == ([], Usage())
    assert rig.book.settled == [("1", Usage(), None)]


# -- the probe ----------------------------------------------------------------------------------------


async def test_a_probe_asks_for_one_token_on_the_days_bill_even_while_paused():
    async with scripted_model([message(says("x"), output_tokens=1)]) as model, running(model.base_url) as rig:
        rig.switch.pause_in_force = Pause("dead key", NOON)
        await rig.gateway.probe()
    (asked,) = model.messages
    assert (asked["max_tokens"], asked["stream"], asked["model"], "tools" in asked) == (1, True, "claude-test", False)
    assert [lease for lease, _ in rig.book.reserved] == [None]
    assert rig.book.settled[0][1].model_calls == 1


async def test_a_probe_raises_what_the_answer_means_and_tries_once():
    async with scripted_model([error(401, "authentication_error", "invalid x-api-key")]) as model, running(model.base_url) as rig:
        with pytest.raises(ModelKeyRejected):
            await rig.gateway.probe()
    assert len(model.requests) == 1
    assert rig.failures == []  # whoever asked is told, and nobody else
