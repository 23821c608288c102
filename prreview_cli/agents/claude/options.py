"""The option set that makes the CLI a reader with five tools. Each line closes a way out that was tried (docs/decisions)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prreview_cli.agents.claude.tools import WIRE_NAMES
from prreview_cli.core.toolspecs import SERVER_NAME

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions
    from claude_agent_sdk.types import HookContext, HookInput, SyncHookJSONOutput
    from mcp.server import Server

_HOOK_WITHIN_S = 30.0
_LINE_AT_MOST = 64 << 20


def cli_path() -> Path:
    """The CLI inside the installed SDK, by its absolute path: a `claude` on PATH is never looked for."""
    import claude_agent_sdk  # noqa: PLC0415 - it takes a second, and only an agent needs it

    return Path(claude_agent_sdk.__file__).resolve().parent / "_bundled" / "claude"


def options(
    *, program: Path, desk: Path, contract: Path, model: str, max_turns: int, server: Server[Any], said: Callable[[str], None]
) -> ClaudeAgentOptions:
    """The options of one look. `said` gets the lines that the CLI writes to standard error."""
    from claude_agent_sdk import ClaudeAgentOptions, HookMatcher  # noqa: PLC0415 - as above

    return ClaudeAgentOptions(
        cli_path=program,
        cwd=desk,
        model=model,
        max_turns=max_turns,
        system_prompt={"type": "file", "path": str(contract)},
        tools=[],  # no built-in tool; `allowed_tools` would not take any away
        mcp_servers={SERVER_NAME: {"type": "sdk", "name": SERVER_NAME, "instance": server}},
        strict_mcp_config=True,
        allowed_tools=WIRE_NAMES,
        permission_mode="dontAsk",  # what is not allowed is denied, and nobody is asked
        hooks={"PreToolUse": [HookMatcher(hooks=[only_ours], on_failure="block", timeout=_HOOK_WITHIN_S)]},
        setting_sources=[],  # no settings, hooks or servers from any file
        skills=[],
        verbatim_prompts=True,  # else `@/etc/passwd` in a title is replaced by the file, and `/context` is a command
        extra_args={"restricted": None, "disable-slash-commands": None, "no-session-persistence": None},
        max_buffer_size=_LINE_AT_MOST,
        stderr=said,
    )


async def only_ours(call: HookInput, _tool_use_id: str | None, _context: HookContext) -> SyncHookJSONOutput:
    """Deny every tool but ours, whatever the CLI makes of its other rules; if this fails, the call is blocked."""
    if call["hook_event_name"] == "PreToolUse" and call["tool_name"] in WIRE_NAMES:
        return {}
    reason = "There is no such tool."
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": reason}}
