"""A tiny scripted model on loopback: it plays a list of answers and keeps what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

USAGE = {"input_tokens": 100, "cache_creation_input_tokens": 40, "cache_read_input_tokens": 60, "output_tokens": 1}


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


@dataclass
class Answer:
    """An HTTP answer in pieces; `gate` is waited for before the piece of that index; `cut` resets instead of an orderly end."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    pieces: list[bytes] = field(default_factory=list)
    gates: dict[int, asyncio.Event] = field(default_factory=dict)
    cut: bool = False
    no_head: bool = False


def event(name: str, **data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode()


def call(name: str, arguments: dict[str, Any], identity: str = "toolu_1") -> dict[str, Any]:
    """A tool_use block for one of our tools (or, with a full name, any)."""
    return {"type": "tool_use", "id": identity, "name": name, "input": arguments}


def says(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def message(*blocks: dict[str, Any], model: str = "claude-test", output_tokens: int = 25) -> Answer:
    """A whole, well-formed streamed message."""
    stop = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    start = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
    }
    pieces = [event("message_start", message=start)]
    for index, block in enumerate(blocks):
        pieces.extend(_block(index, block))
    pieces += [
        event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": output_tokens}),
        event("message_stop"),
    ]
    return Answer(pieces=pieces)


def _block(index: int, block: dict[str, Any]) -> Iterator[bytes]:
    if block["type"] == "tool_use":
        yield event("content_block_start", index=index, content_block={**block, "input": {}})
        yield event("content_block_delta", index=index, delta={"type": "input_json_delta", "partial_json": json.dumps(block["input"])})
    else:
        yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": block["text"]})
    yield event("content_block_stop", index=index)


def error(status: int, kind: str, text: str, **headers: str) -> Answer:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": text}}).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"content-type": "application/json", **names}, [body])


Script = list[Answer] | Callable[[Request], Answer]


@dataclass
class ScriptedModel:
    """Plays its script, one answer a request (the last one again when it is used up)."""

    script: Script
    requests: list[Request] = field(default_factory=list)
    in_flight: int = 0
    peak: int = 0
    base_url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [request.json for request in self.requests]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                self.requests.append(request)
                self.asked.set()
                self.in_flight += 1
                self.peak = max(self.peak, self.in_flight)
                try:
                    ends = await _play(self._answer(request), writer)
                finally:
                    self.in_flight -= 1
                if ends:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _answer(self, request: Request) -> Answer:
        if callable(self.script):
            return self.script(request)
        return self.script[min(len(self.requests), len(self.script)) - 1]


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = first.split(" ")
    return Request(method, target, headers, body)


async def _play(answer: Answer, writer: asyncio.StreamWriter) -> bool:
    if not answer.no_head:
        lines = [f"HTTP/1.1 {answer.status} Status", "transfer-encoding: chunked", *(f"{k}: {v}" for k, v in answer.headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
    for index, piece in enumerate(answer.pieces):
        if gate := answer.gates.get(index):
            await writer.drain()
            await gate.wait()
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await writer.drain()
    if answer.cut or answer.no_head:
        writer.transport.abort()
        return True
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return False


@asynccontextmanager
async def scripted_model(script: Script) -> AsyncIterator[ScriptedModel]:
    model = ScriptedModel(script)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await model._serve(reader, writer)
        finally:
            connections.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=64 << 20)
    model.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield model
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
