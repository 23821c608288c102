"""The real bundled CLI where things go wrong: each failure has its class, and nothing goes on in secret."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from prreview_cli.agents import ClaudeAgent
from prreview_cli.core import errors
from support.cells import PRESENT
from support.gateways import KEY, running
from support.looks import LIST, SUBMIT, cli_of, look
from support.model_api import Answer, error, message, says, scripted_model
from support.processes import gone, until, written

CUT = replace(message(LIST), pieces=message(LIST).pieces[:3], cut=True)


def agent(scratch: Path) -> ClaudeAgent:
    return ClaudeAgent(scratch, layers=PRESENT, redact=str)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(401, "authentication_error", f"invalid x-api-key {KEY}"), errors.ModelKeyRejected),
        (error(400, "invalid_request_error", "Your credit balance is too low."), errors.CreditExhausted),
        (error(404, "not_found_error", "model: claude-test"), errors.ModelGone),
        (error(400, "invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum"), errors.ModelRefusedRequest),
        (CUT, errors.ModelUnreachable),
    ],
    ids=["401", "credit", "gone", "too-long", "cut"],
)
async def test_a_disguised_failure_is_the_grants_to_tell_after_one_request(tmp_path, answer, kind):
    async with scripted_model([answer]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(agent(tmp_path), grant)
        assert type(grant.failure) is kind
    assert looked.toolbox.submission is None
    assert len(model.requests) == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_failure_in_a_later_turn_is_no_review(tmp_path):
    async with (
        scripted_model([message(LIST), error(401, "authentication_error", "no")]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
    ):
        looked = await look(agent(tmp_path), grant)
        assert type(grant.failure) is errors.ModelKeyRejected
    assert looked.toolbox.submission is None
    assert len(model.requests) == 2


async def test_what_passes_is_waited_for_and_the_review_goes_on(tmp_path):
    script = [
        error(429, "rate_limit_error", "slow", retry_after="3"),
        Answer(no_head=True),
        error(529, "overloaded_error", "busy"),
        message(SUBMIT),
    ]
    async with scripted_model(script) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(agent(tmp_path), grant)
        assert grant.failure is None
    assert looked.toolbox.submission is not None
    assert len(model.requests) == 4
    assert rig.clock.slept[0] == 3.0


async def test_the_cap_of_a_review_ends_it_before_it_is_exceeded(tmp_path):
    async with scripted_model([message(LIST)]) as model, running(model.base_url) as rig, rig.grant() as grant:

        def spent(_: object) -> None:
            rig.book.full = "review"

        looked = await look(agent(tmp_path), grant, progress=spent)
        assert type(grant.failure) is errors.BudgetReached
    assert looked.toolbox.submission is None
    assert len(model.requests) == 1


async def test_a_process_that_dies_is_a_crash(tmp_path):
    async with scripted_model([message(LIST)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        with pytest.raises(errors.AgentCrashed):
            await look(agent(tmp_path), grant, progress=lambda _: os.kill(cli_of(tmp_path), signal.SIGKILL))
    assert len(model.requests) == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_process_that_cannot_start_is_a_crash(tmp_path, monkeypatch):
    scratch = tmp_path / "scratch"
    monkeypatch.setattr("prreview_cli.agents.claude.options.cli_path", lambda: Path("/bin/false").resolve())
    async with scripted_model([message(says("never"))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        with pytest.raises(errors.AgentCrashed):
            await look(agent(scratch), grant)
    assert model.requests == []
    assert list(scratch.iterdir()) == []


async def test_a_killed_worker_takes_its_agent_with_it(tmp_path):
    worker = textwrap.dedent("""
        import asyncio, sys
        from pathlib import Path
        from prreview_cli.agents import ClaudeAgent
        from support.gateways import running
        from support.looks import look

        async def main():
            async with running(sys.argv[1]) as rig, rig.grant() as grant:
                await look(ClaudeAgent(Path(sys.argv[2]), layers=sys.argv[3:], redact=str), grant, max_turns=1000)

        asyncio.run(main())
    """)
    (tmp_path / "worker.py").write_text(worker)
    scratch, root = tmp_path / "scratch", Path(__file__).parents[2]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": f"{root}:{root / 'tests'}"}
    async with scripted_model([message(LIST)]) as model:  # it would go on for ever
        parent = await asyncio.create_subprocess_exec(
            sys.executable, str(tmp_path / "worker.py"), model.base_url, str(scratch), *PRESENT, env=environment
        )
        try:
            await until(lambda: len(model.requests) >= 3, 30)
            (pid_file,) = scratch.glob("agent-*/pid")
            cli = int(await written(pid_file))
        finally:
            parent.kill()
            await parent.wait()
        assert await gone(cli, within_s=5)
        asked = len(model.requests)
        with pytest.raises(TimeoutError):  # one may have been on its way
            await until(lambda: len(model.requests) > asked + 1, within_s=1.0)
