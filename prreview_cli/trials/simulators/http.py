"""HTTP/1.1 as far as the simulators need it, and with what no well-meaning server offers: an answer that is cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote


class Cut(Exception):
    """Raised by a handler or in the midst of a body: the connection is reset, nothing more is sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. `path` is percent-decoded and without the query; header names are lower-case."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of a repeated one, the last."""
        return dict(parse_qsl(self.query_string, keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. A body that is an iterator is sent piece by piece, chunked."""

    status: int
    body: bytes | AsyncIterator[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


def json_response(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that is JSON."""
    kind = {"content-type": "application/json; charset=utf-8"}
    return Response(status, json.dumps(data, separators=(",", ":")).encode(), {**kind, **(headers or {})})


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """The next request of a connection, or None at its end. ValueError if it is not HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    path, _, query = target.partition("?")
    return Request(method, unquote(path), query, headers, await _read_body(reader, headers))


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # trailers
    return bytes(body)


async def write_response(writer: asyncio.StreamWriter, request: Request, response: Response) -> None:
    """Send an answer; what a body's iterator raises passes through, with the part before it sent."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    if isinstance(response.body, bytes):
        headers["content-length"] = str(len(response.body))
    else:
        headers["transfer-encoding"] = "chunked"
    lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    if request.method != "HEAD":
        await _write_body(writer, response.body)
    await writer.drain()


async def _write_body(writer: asyncio.StreamWriter, body: bytes | AsyncIterator[bytes]) -> None:
    if isinstance(body, bytes):
        writer.write(body)
        return
    try:
        async for piece in body:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
    finally:
        # Not left to the garbage collector: as long as it is open, a request counts as being answered.
        if isinstance(body, AsyncGenerator):
            await body.aclose()
    writer.write(b"0\r\n\r\n")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Overloaded" if status == 529 else "Unknown"
