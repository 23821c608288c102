"""A model's turn in the wire format of the Messages API (platform.claude.com, "Streaming messages")."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

from prreview_cli.trials.simulators.conversation import Conversation, Turn

Json = dict[str, Any]

_ids = count(1)
_PIECE = 400  # characters a delta


def message(turn: Turn, asked: Conversation) -> Json:
    """The whole message, as an answer without streaming."""
    uses = [
        {"type": "tool_use", "id": f"toolu_{next(_ids):024d}", "name": asked.offered(use.name), "input": use.arguments} for use in turn.uses
    ]
    text = [{"type": "text", "text": turn.text}] if turn.text or not uses else []
    return {
        "id": f"msg_{next(_ids):024d}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [*text, *uses],
        "stop_reason": "tool_use" if uses else "end_turn",
        "stop_sequence": None,
        "usage": _usage(turn),
    }


def events(turn: Turn, asked: Conversation) -> Iterator[bytes]:
    """The same message as server-sent events."""
    whole = message(turn, asked)
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield _event({"type": "message_start", "message": start})
    yield _event({"type": "ping"})
    for index, block in enumerate(whole["content"]):
        yield from _block(index, block)
    yield _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
            "usage": {"output_tokens": turn.output_tokens},
        }
    )
    yield _event({"type": "message_stop"})


def _block(index: int, block: Json) -> Iterator[bytes]:
    is_text = block["type"] == "text"
    empty = {**block, "text": ""} if is_text else {**block, "input": {}}
    whole = block["text"] if is_text else json.dumps(block["input"])
    yield _event({"type": "content_block_start", "index": index, "content_block": empty})
    for at in range(0, len(whole), _PIECE):
        piece = whole[at : at + _PIECE]
        delta = {"type": "text_delta", "text": piece} if is_text else {"type": "input_json_delta", "partial_json": piece}
        yield _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield _event({"type": "content_block_stop", "index": index})


def _usage(turn: Turn) -> Json:
    caches = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": turn.input_tokens, **caches, "output_tokens": turn.output_tokens, "service_tier": "standard"}


def _event(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
