"""One HTTP request on a connection of its own, so that what is timed is all of it: connect, send, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

_LONGEST_HEAD = 1 << 16


async def exchange(url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body. OSError, EOFError or ValueError if there is no whole answer; sets no deadline."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=_LONGEST_HEAD)
    try:
        writer.write(_request(method, parts.netloc, parts.path or "/", headers or {}, body))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = fields.get("content-length")
        return int(head[0].split(" ")[1]), await (reader.read() if length is None else reader.readexactly(int(length)))
    except asyncio.LimitOverrunError as error:
        raise ValueError("The answer's head is too long.") from error
    finally:
        writer.transport.abort()


def _request(method: str, host: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    fields = {"Host": host, "Connection": "close", **headers, "Content-Length": str(len(body))}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
