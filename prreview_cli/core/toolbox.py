"""The agent's hands: four ways to read the two commits, one way to hand in a review, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from prreview_cli.core.ports.snapshots import Snapshot
from prreview_cli.core.review import Submission

SERVER_NAME = "prreview"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model is told of it; `input_schema` is JSON Schema."""

    name: str
    description: str
    input_schema: dict[str, Any]

    @property
    def wire_name(self) -> str:
        """The name under which the model sees it."""
        return f"mcp__{SERVER_NAME}__{self.name}"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answers; an error is an answer too, and says what to do instead."""

    text: str
    is_error: bool = False


@dataclass(slots=True)
class Toolbox:
    """The tools of one review. `seen` are the changed paths whose whole diff has reached the model so far
    (in the prompt, or through `read_diff`); `submission` is the review, once one was accepted."""

    snapshot: Snapshot
    max_comments: int
    seen: set[str] = field(default_factory=set)
    submission: Submission | None = None

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Run the tool `name` (without the server's prefix). Never raises for what the model may have done wrong."""
        raise NotImplementedError


TOOLS: tuple[ToolSpec, ...] = ()
