"""A minimal agent of our own: the same conversation over the same gateway, without the CLI. For tests and trials."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from prreview_cli.core.errors import TurnLimitReached
from prreview_cli.core.ports.agent import Brief, Progress, detail_of
from prreview_cli.core.ports.gateway import Grant
from prreview_cli.core.toolbox import Toolbox
from prreview_cli.core.toolspecs import TOOLS

if TYPE_CHECKING:
    import httpx

_MAX_TOKENS = 4096
_BILL_WITHIN_S = 3.0
_NAMES = {tool.wire_name: tool.name for tool in TOOLS}


class ScriptedAgent:
    """Asks the model, does what it asks of the tools, until a review was accepted or the model ends."""

    async def look(self, brief: Brief, toolbox: Toolbox, grant: Grant, progress: Callable[[Progress], None]) -> None:
        """See `core.ports.agent`."""
        await self._converse(brief, toolbox, grant, progress)
        await grant.settled(_BILL_WITHIN_S)

    @staticmethod
    async def _converse(brief: Brief, toolbox: Toolbox, grant: Grant, progress: Callable[[Progress], None]) -> None:
        import httpx  # noqa: PLC0415 - slow to import, and only a look needs it

        messages: list[dict[str, Any]] = [{"role": "user", "content": brief.prompt}]
        async with httpx.AsyncClient(base_url=grant.base_url, trust_env=False, timeout=None) as client:  # noqa: S113 - the job has a deadline
            for _ in range(brief.max_turns):
                blocks = await _ask(client, brief, grant, messages)
                calls = [block for block in blocks if block["type"] == "tool_use"]
                if not calls:
                    return
                answers = [await _carry_out(call, toolbox, progress) for call in calls]
                if toolbox.submission is not None:
                    return
                messages += [{"role": "assistant", "content": blocks}, {"role": "user", "content": answers}]
        raise TurnLimitReached(f"The agent used its {brief.max_turns} turns without handing in a review.")


async def _carry_out(call: dict[str, Any], toolbox: Toolbox, progress: Callable[[Progress], None]) -> dict[str, Any]:
    name = _NAMES.get(call["name"], call["name"])
    progress(Progress(name, detail_of(call["input"])))
    result = await toolbox.call(name, call["input"])
    return {"type": "tool_result", "tool_use_id": call["id"], "content": result.text, "is_error": result.is_error}


async def _ask(client: httpx.AsyncClient, brief: Brief, grant: Grant, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks of the model's next message; none if the gateway refused, which the grant's failure explains."""
    import httpx  # noqa: PLC0415 - as above

    body = {
        "model": brief.model,
        "max_tokens": _MAX_TOKENS,
        "stream": True,
        "system": brief.contract,
        "tools": [{"name": tool.wire_name, "description": tool.description, "input_schema": tool.input_schema} for tool in TOOLS],
        "messages": messages,
    }
    headers = {"x-api-key": grant.token, "anthropic-version": "2023-06-01"}
    try:
        async with client.stream("POST", "/v1/messages", json=body, headers=headers) as response:
            return [] if response.is_error else await _blocks(response.aiter_lines())
    except httpx.TransportError:
        return []  # cut off: a revoked grant, or an answer that broke


async def _blocks(lines: AsyncIterator[str]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    parts: list[str] = []
    async for line in lines:
        if not line.startswith("data:"):
            continue
        event = json.loads(line[5:])
        match event["type"]:
            case "content_block_start":
                blocks.append(event["content_block"])
                parts = []
            case "content_block_delta":
                parts.append(event["delta"].get("partial_json") or event["delta"].get("text") or "")
            case "content_block_stop" if blocks[-1]["type"] == "tool_use":
                blocks[-1]["input"] = json.loads("".join(parts) or "{}")
            case "content_block_stop":
                blocks[-1]["text"] = "".join(parts)
            case "message_stop":
                return blocks
    return []
