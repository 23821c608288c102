"""Reading along with a streamed answer: has it begun, has it ended well, and what is it billed for. Pure."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from prreview_cli.core.budget import Tokens

_MOST_IN_ONE_EVENT = 16 << 20
_MOST_TOKENS = 100_000_000
"""More than any model takes or gives in one answer: a count beyond it is no count."""
_BILLED = {
    "input_tokens": "input",
    "cache_creation_input_tokens": "cache_write",
    "cache_read_input_tokens": "cache_read",
    "output_tokens": "output",
}


class Reading:
    """What is known of an answer after the bytes `feed` was given.

    `started`: its head has come, so the input's bill is known; `finished`: it ended in order; `error`:
    the data of an error event; `broken`: it is not what the Messages API streams
    (https://platform.claude.com/docs/en/build-with-claude/streaming).
    """

    def __init__(self) -> None:
        self.started = False
        self.finished = False
        self.broken = False
        self.error: bytes | None = None
        self._counted = Tokens()
        self._output_told = False
        self._streamed = 0
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Read on; a chunk may end anywhere."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.broken |= len(self._rest) > _MOST_IN_ONE_EVENT
        for line in lines:
            if line.startswith(b"data:"):
                self._read(line[5:].strip())

    def tokens(self, max_tokens: int) -> Tokens | None:
        """What the answer is billed for, without an input if it told of none, which no answer was without; None if it told
        nothing. The output of one that was cut short was never counted: it is taken as one token for each byte that came,
        which is more than it can have been. One that ended without telling its output is taken to have been as long as it might."""
        if self.finished and self._output_told:
            return self._counted
        if not self._counted.all_input:
            return None
        most = max_tokens if self.finished else min(self._streamed, max_tokens)
        return replace(self._counted, output=max(self._counted.output, most))

    def _read(self, data: bytes) -> None:
        try:
            event: dict[str, Any] = json.loads(data)
            match event["type"]:
                case "message_start":
                    self._count(event["message"].get("usage") or {})
                    self.started = True
                case "content_block_delta":
                    self._streamed += sum(
                        len(part.encode()) for key, part in event["delta"].items() if key != "type" and isinstance(part, str)
                    )
                case "message_delta":
                    told = self._count(usage := event.get("usage") or {})
                    # Zero, after something was streamed, is no count.
                    self._output_told |= "output" in told and (usage["output_tokens"] > 0 or not self._streamed)
                case "message_stop":
                    self.finished = self.started
                case "error":
                    self.error = data
                case _:
                    pass  # pings and blocks say nothing of the bill; new kinds of event must not stop a review
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.broken = True

    def _count(self, usage: dict[str, Any]) -> dict[str, int]:
        """The counts that are some. They are cumulative, so the larger of two is the later one."""
        told = {
            ours: max(usage[theirs], getattr(self._counted, ours))
            for theirs, ours in _BILLED.items()
            if type(usage.get(theirs)) is int and 0 <= usage[theirs] <= _MOST_TOKENS
        }
        self._counted = replace(self._counted, **told)
        return told
