"""The gateway's door: one route, one token a review, one model, exactly our tools; everything else stops here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

import msgspec

from prreview_cli.core.errors import Failure, ModelToolsDiffer
from prreview_cli.core.ports.gateway import Allowance
from prreview_cli.gateway.answers import error_body
from prreview_cli.gateway.upstream import Call

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_AT_MOST = 32 << 20
"""What the Messages API itself takes."""
ANSWER_AT_MOST = 10_000_000
"""Tokens; far beyond what any model gives, and small enough to be counted in money."""

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"})
_OURS_TO_SAY = frozenset({"host", "content-length", "accept-encoding", "authorization", "x-api-key", "cookie", "proxy-authorization"})


class Refused(Exception):
    """A request that goes no further; `failure` is set where it means more than a stray request."""

    def __init__(self, reason: str, failure: Failure | None = None) -> None:
        super().__init__(reason)
        self.failure = failure


class _Tool(msgspec.Struct):
    name: str
    type: str = "custom"


class _Asked(msgspec.Struct):
    model: str
    max_tokens: int
    stream: bool = False
    tools: list[_Tool] = []
    mcp_servers: list[Any] = []


def token_of(headers: Mapping[str, str]) -> str:
    """The token that a request shows, "" if none."""
    return headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ").strip()


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """A request's headers by lower-case name."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def admit(allowance: Allowance, query: bytes, headers: Mapping[str, str], body: bytes) -> Call:
    """The call that a request asks for, if the allowance lets it through; Refused otherwise.

    The body goes on as it came, unknown fields included; of the headers, those that concern the
    connection or the credentials stay behind.
    """
    if query not in {b"", b"beta=true"}:
        raise Refused("another query")
    try:
        asked = msgspec.json.decode(body, type=_Asked)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("not a request of the Messages API") from None
    if asked.model != allowance.model:
        raise Refused("another model")
    if not asked.stream:
        raise Refused("not streamed")
    if not 1 <= asked.max_tokens <= ANSWER_AT_MOST:
        raise Refused("an answer without a bound")
    _see_that_tools_are_ours(asked, allowance.tools)
    dropped = _HOP_BY_HOP | _OURS_TO_SAY | {name.strip().lower() for name in headers.get("connection", "").split(",")}
    passed = {name: value for name, value in headers.items() if name not in dropped}
    if not all(map(str.isascii, passed.values())):
        raise Refused("a header beyond ASCII")  # it could not be sent on, and the reserve would count as spent
    return Call(body, asked.max_tokens, passed, f"?{query.decode()}" if query else "")


def _see_that_tools_are_ours(asked: _Asked, ours: frozenset[str]) -> None:
    # A tool with a type, and a server of the provider's side, would be hands that we did not give.
    names = [tool.name for tool in asked.tools if tool.type == "custom"]
    if len(names) != len(asked.tools) or len(names) != len(ours) or set(names) != ours or asked.mcp_servers:
        told = ", ".join(sorted(tool.name[:60] for tool in asked.tools))[:300] or "none"
        raise Refused("other tools", ModelToolsDiffer(f"The agent's process offered the model other tools than ours: {told}."))


async def body_of(receive: Receive) -> bytes:
    """A request's whole body; Refused beyond the cap or if the client has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Refused("gone")
        body += message.get("body", b"")
        if len(body) > BODY_AT_MOST:
            raise Refused("too large")
        if not message.get("more_body"):
            return bytes(body)


class Reply:
    """An answer to the agent's process: either a stream, or one constant error."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def stream(self, chunk: bytes) -> None:
        """Pass a part of the provider's answer on at once."""
        if not self.begun:
            self.begun = True
            headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": chunk, "more_body": True})

    async def end(self) -> None:
        """The stream is complete."""
        await self._send({"type": "http.response.body", "body": b""})

    async def refuse(self, status: int = 403, body: bytes = error_body("permission_error", "prreview: refused")) -> None:
        """Answer with an error that the agent's process is not to try again."""
        self.begun = True
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-should-retry", b"false"),
            (b"connection", b"close"),
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def say_hello(self) -> None:
        """What the agent's process asks before its first request."""
        await self._send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await self._send({"type": "http.response.body", "body": b""})
