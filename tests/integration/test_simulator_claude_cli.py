"""The bundled Claude CLI understands what the model simulator says: the proof that its stream is the real one's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import claude_agent_sdk as sdk
import pytest

from prreview_cli.trials.simulators import behaviours
from prreview_cli.trials.simulators.model_api import ModelApi
from support.simulators import KEY, MachineClock

CLI = Path(sdk.__file__).parent / "_bundled" / "claude"
DIFF = "--- a/examples/example_7.py\n+++ b/examples/example_7.py\n@@ -1,1 +1,2 @@\n a\n+b\n"
TOOLS = ("mcp__prreview__read_diff", "mcp__prreview__submit_review")
ANY = {"type": "object", "properties": {}, "additionalProperties": True}


def launcher(folder: Path, api: ModelApi) -> Path:
    """Starts the CLI with an environment of its own, in a folder of its own."""
    fixed = {
        "PATH": "/usr/bin:/bin",
        **dict.fromkeys(("HOME", "TMPDIR", "XDG_RUNTIME_DIR", "CLAUDE_CONFIG_DIR"), str(folder)),
        "LANG": "C.UTF-8",
        "ANTHROPIC_BASE_URL": api.url,
        "ANTHROPIC_API_KEY": KEY,
        **dict.fromkeys(
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_AUTOUPDATER", "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK"), "1"
        ),
        **dict.fromkeys(("CLAUDE_CODE_MAX_RETRIES", "ENABLE_TOOL_SEARCH"), "0"),
    }
    path = folder / "launcher"
    path.write_text("#!/bin/sh\nexec env -i " + " ".join(f"'{name}={value}'" for name, value in fixed.items()) + f" '{CLI}' \"$@\"\n")
    path.chmod(0o700)
    return path


async def conversation(folder: Path, api: ModelApi) -> tuple[list[dict[str, Any]], sdk.ResultMessage]:
    handed_in: list[dict[str, Any]] = []

    @sdk.tool("read_diff", "Reads the diff.", ANY)
    async def read_diff(_arguments: dict[str, Any]) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": DIFF}]}

    @sdk.tool("submit_review", "Hands in the review.", ANY)
    async def submit_review(arguments: dict[str, Any]) -> dict[str, Any]:
        handed_in.append(arguments)
        return {"content": [{"type": "text", "text": "Accepted."}]}

    options = sdk.ClaudeAgentOptions(
        tools=[],
        allowed_tools=list(TOOLS),
        mcp_servers={"prreview": sdk.create_sdk_mcp_server("prreview", "1", [read_diff, submit_review])},
        strict_mcp_config=True,
        setting_sources=[],
        skills=[],
        verbatim_prompts=True,
        model="claude-sonnet-4-5-20250929",
        max_turns=8,
        cli_path=launcher(folder, api),
        cwd=folder,
        extra_args={"restricted": None, "disable-slash-commands": None, "no-session-persistence": None},
    )
    async with sdk.ClaudeSDKClient(options) as client:
        await client.query("Review the pull request.\n")
        messages = [message async for message in client.receive_response()]
    result = messages[-1]
    assert isinstance(result, sdk.ResultMessage)
    return handed_in, result


@pytest.mark.skipif(not os.access(CLI, os.X_OK), reason="this wheel of the SDK bundles no CLI")
async def test_the_real_cli_calls_the_tools_that_the_script_names_with_their_arguments(tmp_path: Path) -> None:
    async with ModelApi(MachineClock(), KEY, behaviours.reviewer(turns=2)) as api:
        handed_in, result = await conversation(tmp_path, api)
    assert handed_in[0]["findings"] == [behaviours.finding("examples/example_7.py", 2)]
    assert (result.subtype, result.is_error, result.result) == ("success", False, "The review is handed in.")
    assert result.usage is not None
    assert (result.usage["input_tokens"], result.usage["output_tokens"]) == (3 * 1200, 3 * 80)
    assert [seen.conversation.turn for seen in api.requests] == [1, 2, 3]
    assert {seen.conversation.tools for seen in api.requests} == {TOOLS}
    assert (api.peak_in_flight, api.elsewhere) == (1, [])


@pytest.mark.skipif(not os.access(CLI, os.X_OK), reason="this wheel of the SDK bundles no CLI")
async def test_the_real_cli_knows_a_rejected_key_when_it_sees_one(tmp_path: Path) -> None:
    async with ModelApi(MachineClock(), KEY) as api:
        api.revoke_key()
        handed_in, result = await conversation(tmp_path, api)
    assert handed_in == []
    assert (result.is_error, result.api_error_status) == (True, 401)
