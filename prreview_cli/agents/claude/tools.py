"""The toolbox as the SDK serves it to the CLI: one in-process MCP server with our five tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prreview_cli.agents.claude.folder import TOOL_ANSWER_AT_MOST
from prreview_cli.core.ports.agent import Progress, detail_of
from prreview_cli.core.toolbox import Toolbox
from prreview_cli.core.toolspecs import SERVER_NAME, TOOLS
from prreview_cli.telemetry import logger

if TYPE_CHECKING:
    from mcp.server import Server

_log = logger("agent")

_TOLD = 200

WIRE_NAMES = [tool.wire_name for tool in TOOLS]
"""The names under which the model, the permission rules and the gateway know them."""


class Hands:
    """Carries out what the model asks of the toolbox.

    `idle` is set once nothing more is wanted of the model: a review was accepted, or the toolbox
    failed (`fault`). That last call is never answered, so that no further request is made for it.
    """

    def __init__(self, toolbox: Toolbox, progress: Callable[[Progress], None]) -> None:
        self._toolbox, self._progress = toolbox, progress
        self.idle = asyncio.Event()
        self.fault: Exception | None = None

    async def carry_out(self, name: str, arguments: dict[str, Any]) -> tuple[str, bool]:
        """The answer's text, and whether it is an error."""
        try:
            self._progress(Progress(name, detail_of(arguments)))
            result = await self._toolbox.call(name, arguments)
            if result.is_error:
                _log.info("tool_refused", tool=name[:_TOLD], asked=detail_of(arguments), answer=result.text[:_TOLD])
        except Exception as error:  # noqa: BLE001 - a hook of the SDK's, which would tell the model and go on
            self.fault = error
        if self.fault is None and self._toolbox.submission is None:
            return result.text, result.is_error
        self.idle.set()
        never: asyncio.Future[tuple[str, bool]] = asyncio.get_running_loop().create_future()
        return await never

    def server(self) -> Server[Any]:
        """The MCP server; its tools' arguments are judged by the toolbox alone, whose errors name what to mend."""
        from mcp import types  # noqa: PLC0415 - slow to import, and only an agent needs it
        from mcp.server import Server  # noqa: PLC0415 - as above

        listed = [
            types.Tool.model_validate(
                {
                    "name": tool.name,
                    "description": tool.description,
                    "inputSchema": tool.input_schema,
                    "_meta": {"anthropic/maxResultSizeChars": TOOL_ANSWER_AT_MOST},
                }
            )
            for tool in TOOLS
        ]

        async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
            return types.ListToolsResult(tools=listed)

        async def call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
            text, is_error = await self.carry_out(params.name, params.arguments or {})
            return types.CallToolResult.model_validate({"content": [{"type": "text", "text": text}], "isError": is_error})

        return Server(SERVER_NAME, version="1", on_list_tools=list_tools, on_call_tool=call_tool)
