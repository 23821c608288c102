"""What goes out through the door: one write an answer, and no close that cuts a sender off."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from prreview_cli.services.intake import Reply


class Leaving(Protocol):
    """Who decides how a connection ends: the door."""

    loop: asyncio.AbstractEventLoop

    @property
    def lingering(self) -> bool:
        """Whether the last answer has been given."""

    def leave(self) -> None:
        """Close, now or when it hurts nobody."""


class Gentle(asyncio.Transport):
    """The connection as uvicorn sees it: closing it leaves through the door, and an answer's head waits
    (for a turn of the loop at most) for the body, which uvicorn writes by itself: one system call, one packet."""

    def __init__(self, wire: asyncio.Transport, door: Leaving) -> None:
        super().__init__()
        self._wire, self._door = wire, door
        self._head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head:
            self._wire.write(self._head + data)
            self._head = b""
        else:
            self._head = bytes(data)
            self._door.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what was kept back."""
        if self._head:
            self._wire.write(self._head)
            self._head = b""

    def close(self) -> None:
        self._door.leave()

    def abort(self) -> None:
        self._wire.abort()

    def is_closing(self) -> bool:
        return self._door.lingering or self._wire.is_closing()

    def pause_reading(self) -> None:
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        self._wire.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._wire.get_extra_info(name, default)


def raw(reply: Reply) -> bytes:
    """A last answer as it stands on the wire, where no application gives it."""
    head = f"HTTP/1.1 {reply.status.value} {reply.status.phrase}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(reply.body)}\r\nconnection: close\r\n\r\n".encode() + reply.body
