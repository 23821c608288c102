"""The real bundled CLI against a scripted model: a review costs what it must, and the cell holds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from prreview_cli.agents import ClaudeAgent
from prreview_cli.agents.claude import folder, options
from prreview_cli.core.errors import ModelToolsDiffer, TurnLimitReached
from prreview_cli.core.ports.agent import Progress
from support.cells import PRESENT
from support.gateways import KEY, MODEL, WIRE, running
from support.looks import LIST, READ, SUBMIT, cli_of, look, toolbox
from support.model_api import Request, call, message, says, scripted_model
from support.processes import alive, gone

CANARY = "canary-in-the-environment-of-the-worker"


def agent(scratch: Path) -> ClaudeAgent:
    return ClaudeAgent(scratch, layers=PRESENT, redact=str)


def last_results(request: dict[str, object]) -> list[dict[str, object]]:
    messages = request["messages"]
    assert isinstance(messages, list)
    blocks = messages[-1]["content"]
    return [block for block in blocks if block["type"] == "tool_result"]


async def test_a_review_costs_one_request_a_turn_and_none_after_it_was_handed_in(tmp_path):
    script = [message(LIST), message(READ), message(SUBMIT), message(says("never asked"))]
    async with scripted_model(script) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(
            agent(tmp_path), grant, prompt="@/etc/passwd and /context\n/compact", using=toolbox(**{"thing.py": "unlikely-text\n"})
        )
        assert looked.toolbox.submission is not None
        assert grant.failure is None
        assert (grant.usage.model_calls, grant.usage.output_tokens) == (3, 75)
    assert [(request.method, request.target) for request in model.requests] == [("POST", "/v1/messages?beta=true")] * 3
    assert [progress.tool for progress in looked.progress] == ["list_files", "read_file", "submit_review"]
    assert looked.progress[1] == Progress("read_file", "thing.py")
    assert "unlikely-text" in str(last_results(model.messages[2]))

    first = model.messages[0]
    assert first["model"] == MODEL
    assert {tool["name"] for tool in first["tools"]} == WIRE
    assert len(first["tools"]) == len(WIRE)
    assert all("type" not in tool for tool in first["tools"])
    assert first["messages"][0]["content"][0]["text"] == "@/etc/passwd and /context\n/compact"
    assert "root:" not in str(first)
    assert first["system"][-1]["text"] == "You review pull requests. Contract ü."
    assert first["max_tokens"] == folder.MAX_OUTPUT_TOKENS
    assert "ttl" not in str(first)
    headers = model.requests[0].headers
    assert headers["x-api-key"] == KEY
    assert "authorization" not in headers
    assert grant.token not in str(headers) + str(first)
    assert list(tmp_path.iterdir()) == []


async def test_the_process_sees_its_own_environment_an_empty_folder_and_no_file_beyond(tmp_path, monkeypatch):
    for name in (
        "GITHUB_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ANTHROPIC_AUTH_TOKEN",
        "NODE_OPTIONS",
        "LD_LIBRARY_PATH",
        "SSH_AUTH_SOCK",
        "CLAUDE_CODE_USE_BEDROCK",
    ):
        monkeypatch.setenv(name, CANARY)
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "claude").write_text(f"#!/bin/sh\ntouch {planted}/ran\n")
    (planted / "claude").chmod(0o755)
    monkeypatch.setenv("PATH", f"{planted}:{os.environ['PATH']}")
    scratch, seen = tmp_path / "scratch", {}

    def look_at_it(_: Progress) -> None:
        pid = cli_of(scratch)
        (job,) = scratch.iterdir()
        seen["environ"] = Path(f"/proc/{pid}/environ").read_bytes()
        seen["cmdline"] = Path(f"/proc/{pid}/cmdline").read_text()
        seen["status"] = Path(f"/proc/{pid}/status").read_text()
        seen["cwd"] = list(Path(f"/proc/{pid}/cwd").iterdir())
        seen["job"], seen["modes"] = job, {path.name: path.stat().st_mode & 0o777 for path in (job, job / "order", job / "cell")}

    async with scripted_model([message(LIST), message(SUBMIT)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        await look(agent(scratch), grant, progress=look_at_it)
        token, url = grant.token, grant.base_url
    environment = dict(line.split("=", 1) for line in seen["environ"].decode().split("\0") if line)
    cell = seen["job"] / "cell"
    assert environment == {
        **folder._SETTINGS,
        **{
            name: str(cell / place)
            for name, place in {
                "PATH": "bin",
                "HOME": "home",
                "TMPDIR": "tmp",
                "XDG_RUNTIME_DIR": "run",
                "CLAUDE_CONFIG_DIR": "config",
            }.items()
        },
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": token,
        "CLAUDE_CODE_ENTRYPOINT": "sdk-py",
        "CLAUDE_AGENT_SDK_VERSION": environment["CLAUDE_AGENT_SDK_VERSION"],
        "CLAUDE_CODE_SDK_READS_SESSION_STATE": "1",
    }
    assert KEY.encode() not in seen["environ"]
    assert token not in seen["cmdline"]
    assert "Contract ü" not in seen["cmdline"]
    assert seen["cmdline"].split("\0")[0].endswith("claude_agent_sdk/_bundled/claude")
    assert not (planted / "ran").exists()
    assert "NoNewPrivs:\t1" in seen["status"]
    assert seen["cwd"] == []
    assert seen["modes"] == {seen["job"].name: 0o700, "order": 0o600, "cell": 0o700}
    assert not seen["job"].exists()


async def test_a_hostile_model_reaches_no_other_tool(tmp_path):
    evil = tmp_path / "evil"
    calls = [
        call("Bash", {"command": f"touch {evil}"}, "toolu_0"),
        call("Write", {"file_path": str(evil), "content": "x"}, "toolu_1"),
        call("Read", {"file_path": "/etc/passwd"}, "toolu_2"),
        call("WebFetch", {"url": "http://127.0.0.1:9/", "prompt": "x"}, "toolu_3"),
        call("Agent", {"description": "x", "prompt": "x", "subagent_type": "general-purpose"}, "toolu_4"),
        call("Skill", {"skill": "x"}, "toolu_5"),
        call("ToolSearch", {"query": "Bash"}, "toolu_6"),
        call("mcp__prreview__delete", {}, "toolu_7"),
        call("mcp__other__read_file", {"path": "x"}, "toolu_8"),
    ]
    async with scripted_model([message(*calls), message(SUBMIT)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(agent(tmp_path / "scratch"), grant)
    results = last_results(model.messages[1])
    assert len(results) == len(calls)
    assert all("no such tool" in str(result["content"]).lower() for result in results)
    assert all(result["is_error"] for result in results)
    assert "root:" not in str(results)
    assert not evil.exists()
    assert [progress.tool for progress in looked.progress] == ["submit_review"]


async def test_what_a_tool_refuses_the_model_hears_in_full_and_may_try_again(tmp_path):
    bad = call("mcp__prreview__submit_review", {"summary": 1, "findings": [{"path": "no.py", "line": "x"}], "extra": True}, "toolu_bad")
    gone_file = call("mcp__prreview__read_file", {"path": "../../etc/passwd"}, "toolu_gone")
    async with scripted_model([message(bad, gone_file), message(SUBMIT)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(agent(tmp_path), grant)
    assert looked.toolbox.submission is not None
    refused = {result["tool_use_id"]: result for result in last_results(model.messages[1])}
    assert refused["toolu_bad"]["is_error"]
    assert "Input validation" not in str(refused)  # the toolbox judges, and nobody before it
    assert "is not in the commit" in str(refused["toolu_gone"])


async def test_a_tools_longest_answer_reaches_the_model_whole(tmp_path):
    long = "é" + "x" * 29 + "\n"
    files = {f"{number}.py": long * 1700 for number in range(3)}
    reads = [call("mcp__prreview__read_file", {"path": path}, f"toolu_{path}") for path in files]
    async with scripted_model([message(*reads), message(SUBMIT)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        await look(agent(tmp_path), grant, using=toolbox(**files))
    assert len(model.requests) == 2  # none to count tokens
    results = last_results(model.messages[1])
    assert len(results) == 3
    assert all(len(str(result["content"])) > 50_000 and "persisted" not in str(result["content"])[:300] for result in results)


async def test_a_model_that_only_talks_is_asked_once_more_and_then_given_up(tmp_path):
    async with scripted_model([message(says("It is fine."))]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(agent(tmp_path), grant)
        assert grant.failure is None
    assert looked.toolbox.submission is None
    assert len(model.requests) == 2
    assert "submit_review" in str(model.messages[1]["messages"][-1])


async def test_a_model_that_is_asked_once_more_may_hand_in(tmp_path):
    async with (
        scripted_model([message(says("It is fine.")), message(SUBMIT)]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
    ):
        assert (await look(agent(tmp_path), grant)).toolbox.submission is not None
    assert len(model.requests) == 2


async def test_the_turns_are_limited_and_the_second_asking_gives_no_new_ones(tmp_path):
    def numbered(request: Request):
        number = len(model.requests)
        answer = message(says("Fine.") if number == 2 else call("mcp__prreview__list_files", {}, f"toolu_{number}"))
        answer.pieces = [piece.replace(b"msg_1", f"msg_{number}".encode()) for piece in answer.pieces]
        return answer

    async with scripted_model(numbered) as model, running(model.base_url) as rig, rig.grant() as grant:
        with pytest.raises(TurnLimitReached):
            await look(agent(tmp_path), grant, max_turns=4)
    assert len(model.requests) == 5


async def test_the_tools_that_the_model_is_offered_are_checked_on_the_wire(tmp_path, monkeypatch):
    chosen = options.options

    def lax(**settings):
        relaxed = chosen(**settings)
        relaxed.tools = ["Read"]  # the control, taken away
        relaxed.extra_args = {"no-session-persistence": None}
        return relaxed

    monkeypatch.setattr(options, "options", lax)
    async with scripted_model([message(SUBMIT)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looked = await look(agent(tmp_path), grant)
        assert isinstance(grant.failure, ModelToolsDiffer)
    assert looked.toolbox.submission is None
    assert model.requests == []


async def test_a_guard_that_fails_denies(tmp_path, monkeypatch):
    async def broken(*_: object):
        raise RuntimeError("bug")

    monkeypatch.setattr("prreview_cli.agents.claude.options.only_ours", broken)
    async with (
        scripted_model([message(LIST), message(SUBMIT), message(says("then not"))]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
    ):
        looked = await look(agent(tmp_path), grant)
    assert looked.toolbox.submission is None
    assert looked.progress == []
    assert last_results(model.messages[1])[0]["is_error"]


async def test_nothing_of_one_review_reaches_the_next(tmp_path):
    async with scripted_model([message(SUBMIT)]) as model, running(model.base_url) as rig:
        for prompt in ("canary-of-the-first", "the second"):
            async with rig.grant() as grant:
                await look(agent(tmp_path), grant, prompt=prompt)
    assert "canary-of-the-first" in str(model.messages[0])
    assert "canary-of-the-first" not in str(model.messages[1])
    assert list(tmp_path.iterdir()) == []


async def test_a_fault_of_the_toolbox_fails_the_review_and_is_not_told_to_the_model(tmp_path):
    broken = toolbox()

    async def explode(*_: object):
        raise RuntimeError("a bug of ours")

    broken.snapshot.list_files = explode
    async with scripted_model([message(LIST)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        with pytest.raises(RuntimeError, match="a bug of ours"):
            await look(agent(tmp_path), grant, using=broken)
    assert len(model.requests) == 1
    assert list(tmp_path.iterdir()) == []


async def test_a_cancelled_look_leaves_no_process_no_file_and_no_request(tmp_path):
    answer = message(LIST)
    answer.gates = {1: asyncio.Event()}
    async with scripted_model([answer]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looking = asyncio.create_task(look(agent(tmp_path), grant))
        await asyncio.wait_for(model.asked.wait(), 20)
        pid = cli_of(tmp_path)
        looking.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await looking
        assert grant.revoked
        assert await gone(pid)
        assert list(tmp_path.iterdir()) == []
        await grant.settled(5)
        assert rig.gateway.calls_in_flight == 0
    assert len(model.requests) == 1


@pytest.mark.parametrize("turns", [1, 3, 20])
async def test_a_look_that_is_cancelled_while_it_starts_leaves_nothing_either(tmp_path, turns):
    before = alive()
    async with scripted_model([message(LIST)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        looking = asyncio.create_task(look(agent(tmp_path), grant))
        for _ in range(turns):
            turn = asyncio.Event()
            asyncio.get_running_loop().call_soon(turn.set)
            await turn.wait()
        looking.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(asyncio.CancelledError):
                await looking
    assert list(tmp_path.iterdir()) == []
    started = [pid for pid in alive() - before if str(tmp_path) in _command(pid)]
    assert started == []
    assert model.requests == []


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
