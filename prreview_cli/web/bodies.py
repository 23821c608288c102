"""Reading a body that nobody has vouched for yet, within bounds that hold for all of them together."""

from __future__ import annotations

import asyncio
import mmap
from collections.abc import Mapping

from prreview_cli.services.intake import Reply
from prreview_cli.web.asgi import Message, Receive
from prreview_cli.web.replies import BAD_REQUEST, BUSY, TOO_LARGE

HEAD_START_BYTES = 64 << 10
"""What a body is credited with before it is called slow, so that one which has only just begun never is."""


class Refused(Exception):
    """The body was not read to its end; `reply` says why, None that its sender has gone."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__()
        self.reply = reply


class _Incoming:
    """A body that did not arrive in one piece. `patience` ends when it is given up for others.

    It lives in a mapping of its own, of which only what was written takes memory, and all of that is back
    the moment it is closed. A heap would keep the holes that bodies of many strangers leave in it.
    """

    def __init__(self, largest: int, began: float) -> None:
        self.patience = asyncio.timeout(None)
        self.size = 0
        self._began = began
        self._data = mmap.mmap(-1, largest, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def add(self, piece: bytes) -> None:
        """Keep a piece."""
        self._data[self.size : self.size + len(piece)] = piece
        self.size += len(piece)

    def whole(self) -> bytes:
        """All of it."""
        return self._data[: self.size]

    def drop(self) -> None:
        """Give the memory back; harmless when it was."""
        self._data.close()

    def pace(self, now: float) -> float:
        """Bytes a second."""
        return (self.size + HEAD_START_BYTES) / (now - self._began + 0.001)


class Bodies:
    """Reads bodies of up to `each` bytes; all that are incomplete at one time hold up to `together`.

    Where that is exceeded the slowest still sending is given up, whoever exceeded it. The common body,
    which arrives in one piece, costs no bookkeeping. Deadlines are the door's.
    """

    def __init__(self, each: int = 5 << 20, together: int = 16 << 20) -> None:
        self._each, self._together = each, together
        self._incoming: set[_Incoming] = set()
        self._held = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body. Refused if it is announced or found to be too large, given up, or its sender leaves."""
        if _announced(headers) > self._each:
            raise Refused(TOO_LARGE)
        first = await receive()
        if first.get("more_body", False):
            return await self._read_on(first, receive)
        return self._checked(first, 0)

    async def _read_on(self, message: Message, receive: Receive) -> bytes:
        incoming = _Incoming(self._each, asyncio.get_running_loop().time())
        self._incoming.add(incoming)
        try:
            async with incoming.patience:
                while self._keep(incoming, message):
                    message = await receive()
            return incoming.whole()
        except TimeoutError:
            raise Refused(BUSY) from None
        finally:
            self._release(incoming)

    def _keep(self, incoming: _Incoming, message: Message) -> bool:
        """Add a piece to its body; whether more is to come."""
        if incoming not in self._incoming:  # given up while this piece was on its way
            raise Refused(BUSY)
        piece = self._checked(message, incoming.size)
        incoming.add(piece)
        self._held += len(piece)
        while self._held > self._together:
            self._give_up_slowest()
        if incoming not in self._incoming:  # it was the slowest itself
            raise Refused(BUSY)
        more: bool = message.get("more_body", False)
        return more

    def _checked(self, message: Message, before: int) -> bytes:
        if message["type"] != "http.request":
            raise Refused(None)
        piece: bytes = message.get("body", b"")
        if before + len(piece) > self._each:
            raise Refused(TOO_LARGE)
        return piece

    def _give_up_slowest(self) -> None:
        now = asyncio.get_running_loop().time()
        slowest = min(self._incoming, key=lambda incoming: incoming.pace(now))
        self._release(slowest)
        slowest.patience.reschedule(now)

    def _release(self, incoming: _Incoming) -> None:
        incoming.drop()
        if incoming in self._incoming:
            self._incoming.discard(incoming)
            self._held -= incoming.size


def _announced(headers: Mapping[bytes, bytes]) -> int:
    """The length that the sender promises; 0 if it promises none."""
    text = headers.get(b"content-length", b"0")
    if not text.isdigit() or len(text) > 19:
        raise Refused(BAD_REQUEST)
    return int(text)
