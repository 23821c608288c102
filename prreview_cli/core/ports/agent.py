"""The agent: it reads through our tools, and all it can do is hand in one review."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from prreview_cli.core.ports.gateway import Grant
from prreview_cli.core.toolbox import Toolbox


class AgentKind(StrEnum):
    """Who looks at a pull request: Claude in its cell, or a loop of our own that asks the same model without the CLI."""

    CLAUDE = "claude"
    SCRIPTED = "scripted"


@dataclass(frozen=True, slots=True)
class Brief:
    """What the agent is told: the contract as its system prompt, the pull request as its first message."""

    contract: str
    prompt: str
    model: str
    max_turns: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign of what the agent does, for people: a tool's name and what it was asked."""

    tool: str
    detail: str


_DETAIL_AT_MOST = 200


def detail_of(arguments: Mapping[str, Any]) -> str:
    """What a tool call is about, for people: its short plain arguments."""
    plain = (f"{value}" for key, value in arguments.items() if key != "summary" and isinstance(value, str | int))
    return " ".join(plain)[:_DETAIL_AT_MOST]


class Agent(Protocol):
    """One review, one process, one conversation."""

    async def look(self, brief: Brief, toolbox: Toolbox, grant: Grant, progress: Callable[[Progress], None]) -> None:
        """Let the model look until it has handed in a review that `toolbox` accepted, or ends.

        Afterwards `toolbox.submission` is the review, or None. Raises TurnLimitReached, AgentCrashed.
        A model failure is the grant's to tell (`grant.failure`), not the agent's. On cancellation the
        grant is revoked first, and nothing of the agent's process outlives the call.
        """
