"""What a model request says, read as a script needs it; and what a script answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from prreview_cli.trials.simulators.loopback import Gate

_FILE = re.compile(r"^\+\+\+ b/(.+?)\t?$", re.MULTILINE)
_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that the model calls; `name` as it was offered, or its last part."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model says: text, then tool calls. `wait_s` passes, and the gate is passed, before it begins."""

    text: str = ""
    uses: tuple[ToolUse, ...] = ()
    wait_s: float = 0.0
    input_tokens: int = 1200
    output_tokens: int = 80
    gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error in the API's shape; `kind` is such as `rate_limit_error`."""

    status: int
    kind: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Garbage:
    """200, and then what is no answer."""

    body: bytes = b"<html>It works!</html>"


@dataclass(frozen=True, slots=True)
class CutShort:
    """The stream of `turn` is reset after so many events."""

    turn: Turn
    after_events: int = 4


Reply = Turn | Refusal | Garbage | CutShort


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool answered to the model."""

    text: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """A request's body."""

    request: dict[str, Any]

    @property
    def model(self) -> str:
        """The model asked for."""
        return str(self.request.get("model", ""))

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools offered."""
        return tuple(str(tool.get("name", "")) for tool in self.request.get("tools") or ())

    @property
    def turn(self) -> int:
        """Which turn of the model this asks for, from 1 on."""
        return 1 + len([message for message in self._messages() if message.get("role") == "assistant"])

    @property
    def prompt(self) -> str:
        """The text of the first message."""
        return "\n".join(_texts(next(self._messages(), {})))

    @property
    def results(self) -> tuple[Result, ...]:
        """The answers of the tools called in the last turn."""
        last = list(self._messages())[-1:]
        blocks = [block for message in last for block in _blocks(message) if block.get("type") == "tool_result"]
        return tuple(Result("\n".join(_texts(block)), bool(block.get("is_error"))) for block in blocks)

    def text(self) -> str:
        """All that was said, by anyone."""
        return "\n".join(text for message in self._messages() for text in _texts(message))

    def offered(self, name: str) -> str:
        """The full name of a tool such as `submit_review`; itself if it was not offered."""
        return next((tool for tool in self.tools if tool == name or tool.endswith(f"__{name}")), name)

    def changed_lines(self) -> list[tuple[str, int]]:
        """(path, line of the head) of each added line of the diffs that were shown so far."""
        return list(dict.fromkeys(_added_lines(self.text())))

    def _messages(self) -> Iterator[dict[str, Any]]:
        return (message for message in self.request.get("messages") or () if isinstance(message, dict))


Script = Callable[[Conversation], Reply]
"""Decides what the model answers; called in the simulator's thread, once a request."""


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content or () if isinstance(block, dict)]


def _texts(message: dict[str, Any]) -> Iterator[str]:
    for block in _blocks(message):
        if "text" in block:
            yield str(block["text"])
        elif block.get("type") == "tool_use":
            yield json.dumps(block.get("input"))
        elif block.get("type") == "tool_result":
            yield from _texts(block)


def _added_lines(text: str) -> Iterator[tuple[str, int]]:
    path, number = "", 0
    for line in text.split("\n"):
        if named := _FILE.match(line):
            path, number = named[1], 0
        elif path and (hunk := _HUNK.match(line)):
            number = int(hunk[1])
        elif number and line.startswith("+"):
            yield path, number
            number += 1
        elif number and (line.startswith(" ") or not line):
            number += 1
        elif number and not line.startswith(("-", "\\")):
            path, number = "", 0
