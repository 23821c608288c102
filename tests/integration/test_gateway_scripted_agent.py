"""The agent of our own: the same conversation over the same gateway, without the CLI."""

from __future__ import annotations

import asyncio

import pytest

from prreview_cli.agents import ScriptedAgent
from prreview_cli.core.errors import ModelKeyRejected, ModelUnreachable, TurnLimitReached
from support.gateways import KEY, WIRE, running
from support.looks import LIST, READ, SUBMIT, look
from support.model_api import call, error, message, says, scripted_model


async def test_it_reads_and_hands_in():
    async with (
        scripted_model([message(says("let me see"), LIST), message(READ), message(SUBMIT)]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
    ):
        looked = await look(ScriptedAgent(), grant)
        assert (grant.usage.model_calls, grant.usage.output_tokens) == (3, 75)  # complete when the look ends
    assert looked.toolbox.submission is not None
    assert [progress.tool for progress in looked.progress] == ["list_files", "read_file", "submit_review"]
    assert len(model.requests) == 3
    assert {tool["name"] for tool in model.messages[0]["tools"]} == WIRE
    assert model.messages[0]["system"].startswith("You review")
    assert "print(1 / 0)" in str(model.messages[2]["messages"][-1])
    assert model.requests[0].headers["x-api-key"] == KEY


async def test_a_refused_submission_may_be_handed_in_again():
    bad = call("mcp__prreview__submit_review", {"summary": "", "findings": []})
    async with scripted_model([message(bad), message(SUBMIT)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(ScriptedAgent(), grant)
    assert looked.toolbox.submission is not None
    assert model.messages[1]["messages"][-1]["content"][0]["is_error"] is True


async def test_a_model_that_only_talks_leaves_no_submission():
    async with scripted_model([message(says("It is fine."))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(ScriptedAgent(), grant)
    assert looked.toolbox.submission is None
    assert grant.failure is None


async def test_the_turns_are_limited():
    async with scripted_model([message(LIST)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        with pytest.raises(TurnLimitReached):
            await look(ScriptedAgent(), grant, max_turns=3)
    assert len(model.requests) == 3


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(error(401, "authentication_error", "no"), ModelKeyRejected), (message(LIST), ModelUnreachable)],
    ids=["401", "cut"],
)
async def test_a_failure_is_the_grants_to_tell(answer, kind):
    if kind is ModelUnreachable:
        answer.pieces, answer.cut = answer.pieces[:3], True
    async with scripted_model([answer]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(ScriptedAgent(), grant)
        await grant.settled(5)
        assert type(grant.failure) is kind
    assert looked.toolbox.submission is None
    assert len(model.requests) == 1


async def test_a_cancelled_look_makes_no_further_request():
    answer = message(LIST)
    answer.gates = {1: asyncio.Event()}
    async with scripted_model([answer]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looking = asyncio.create_task(look(ScriptedAgent(), grant))
        await asyncio.wait_for(model.asked.wait(), 5)
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        await grant.settled(5)
        assert rig.gateway.calls_in_flight == 0
    assert len(model.requests) == 1
