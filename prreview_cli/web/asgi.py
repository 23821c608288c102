"""The little of ASGI that is spoken here (https://asgi.readthedocs.io/en/latest/specs/www.html)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prreview_cli.services.intake import Reply

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = b"application/json"


async def answer(send: Send, reply: Reply, *extra: tuple[bytes, bytes], content_type: bytes = JSON) -> None:
    """Send a whole reply."""
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(reply.body)), *extra]
    await send({"type": "http.response.start", "status": reply.status.value, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
