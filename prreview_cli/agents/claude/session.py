"""One look by Claude: one process, one conversation, and no trace of either afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prreview_cli.agents.claude import options
from prreview_cli.agents.claude.folder import JobFolder
from prreview_cli.agents.claude.tools import WIRE_NAMES, Hands
from prreview_cli.core.errors import AgentCrashed, TurnLimitReached
from prreview_cli.core.ports.agent import Brief, Progress
from prreview_cli.core.ports.gateway import Grant
from prreview_cli.core.toolbox import Toolbox
from prreview_cli.telemetry import logger

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeSDKClient, ResultMessage

_log = logger("agent")

NUDGE = "You have ended without handing in a review. Hand it in now with submit_review; without findings if you have none."

_BILL_WITHIN_S = 3.0
_HANG_UP_WITHIN_S = 2.0
_TOLD = 300


class ClaudeAgent:
    """The bundled CLI in its cell (`core.ports.agent`).

    `scratch` is a private folder for the jobs' files; `layers` are those of the cell that are
    there to be used; `redact` makes what the CLI says fit for a log.
    """

    def __init__(self, scratch: Path, *, layers: Collection[str], redact: Callable[[str], str]) -> None:
        self._scratch, self._layers, self._redact = scratch, layers, redact

    @staticmethod
    def warm() -> None:
        """Import the SDK now (about a second of CPU) and not within the first look, where it would hold up
        the event loop. Blocks; meant for a thread at the pool's start."""
        options.cli_path()

    async def look(self, brief: Brief, toolbox: Toolbox, grant: Grant, progress: Callable[[Progress], None]) -> None:
        """See `core.ports.agent`. The model is asked nothing more once a review was accepted."""
        hands = Hands(toolbox, progress)
        with JobFolder(self._scratch) as folder:
            client = self._client(folder, brief, grant, hands)
            conversation = asyncio.create_task(_converse(client, folder, brief, toolbox, grant))
            idle = asyncio.create_task(hands.idle.wait())
            try:
                await asyncio.wait({conversation, idle}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                grant.revoke()
                raise
            finally:
                # Killed and not asked to end: nothing it could still do is wanted, and its home goes anyway.
                folder.kill()
                await _hang_up(client, conversation, idle)
        if hands.fault is not None:
            raise hands.fault
        if toolbox.submission is None and grant.failure is None:
            self._see_how_it_ended(conversation)
        # The review may have been complete before the answer's bill had come.
        await grant.settled(_BILL_WITHIN_S)

    def _client(self, folder: JobFolder, brief: Brief, grant: Grant, hands: Hands) -> ClaudeSDKClient:
        from claude_agent_sdk import ClaudeSDKClient  # noqa: PLC0415 - it takes a second, and only a look needs it

        contract = folder.contract(brief.contract)
        program = folder.program(options.cli_path(), grant.base_url, grant.token, layers=self._layers)
        chosen = options.options(
            program=program,
            desk=folder.desk,
            contract=contract,
            model=brief.model,
            max_turns=brief.max_turns,
            server=hands.server(),
            said=lambda line: _log.debug("cli_said", text=self._redact(line)[:_TOLD]),
        )
        return ClaudeSDKClient(chosen)

    def _see_how_it_ended(self, conversation: asyncio.Task[None]) -> None:
        error = None if conversation.cancelled() else conversation.exception()
        if isinstance(error, TurnLimitReached | AgentCrashed):
            raise error
        if error is not None:
            told = self._redact(str(error))[:_TOLD]
            raise AgentCrashed(f"The agent's process failed ({type(error).__name__}): {told}") from error


async def _converse(client: ClaudeSDKClient, folder: JobFolder, brief: Brief, toolbox: Toolbox, grant: Grant) -> None:
    turns: set[str] = set()
    await client.connect()
    if folder.handover is not None:
        await grant.listen(folder.handover.take().detach())
    await client.query(brief.prompt)
    _judge(await _result(client, turns, brief.max_turns), brief.max_turns)
    if toolbox.submission is None and grant.failure is None:
        await client.query(NUDGE)
        _judge(await _result(client, turns, brief.max_turns), brief.max_turns)


async def _result(client: ClaudeSDKClient, turns: set[str], max_turns: int) -> ResultMessage:
    """The end of a run. The turns are counted here too, for the CLI begins anew with each message of ours."""
    from claude_agent_sdk import AssistantMessage, ResultMessage, ToolUseBlock  # noqa: PLC0415 - as above

    async for message in client.receive_response():
        if isinstance(message, ResultMessage):
            return message
        if isinstance(message, AssistantMessage):
            _note_other_tools(block.name for block in message.content if isinstance(block, ToolUseBlock))
        if isinstance(message, AssistantMessage) and message.message_id is not None:
            turns.add(message.message_id)
            if len(turns) > max_turns:
                raise TurnLimitReached(f"The agent used its {max_turns} turns without handing in a review.")
    raise AgentCrashed("The agent's process ended in the middle of the review.")


def _note_other_tools(names: Iterable[str]) -> None:
    """A model that calls what it was not offered is confused, or led by what it read; the CLI tells it that there is no such tool."""
    for name in names:
        if name not in WIRE_NAMES:
            _log.warning("tool_not_ours", tool=name[:_TOLD])


def _judge(result: ResultMessage, max_turns: int) -> None:
    if result.subtype == "error_max_turns":
        raise TurnLimitReached(f"The agent used its {max_turns} turns without handing in a review.")
    if result.is_error:
        # An API error looks like this as well, but then the grant knows better what it was.
        raise AgentCrashed(f"The agent's process gave up ({result.subtype}, {result.api_error_status or 'no HTTP status'}).")


async def _hang_up(client: ClaudeSDKClient, *tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    try:
        async with asyncio.timeout(_HANG_UP_WITHIN_S):
            await client.disconnect()
    except Exception:  # noqa: BLE001 - a boundary: the process is dead already, and how the look ended counts
        _log.exception("disconnect_failed")
