"""Reading a body that nobody has vouched for yet, within bounds that hold for all of them together."""

from __future__ import annotations

import asyncio
import mmap
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from prreview_cli.services.intake import Reply
from prreview_cli.web.asgi import Message, Receive
from prreview_cli.web.replies import BAD_REQUEST, BUSY, TOO_LARGE

HEAD_START_BYTES = 64 << 10
"""What a body is credited with before it is called slow, so that one which has only just begun never is."""
BESIDE_BYTES = 24 << 10
"""What a body that is waited for costs beside its bytes: connection, parser, task, the mapping's last page (measured: 16 to 18 KiB)."""


class Refused(Exception):
    """The body was not read to its end; `reply` says why, None that its sender has gone."""

    def __init__(self, reply: Reply | None) -> None:
        super().__init__()
        self.reply = reply


class _Incoming:
    """A body that did not arrive in one piece. `patience` ends when it is given up for others; `cost` is what it is counted as.

    It lives in a mapping of its own, of which only what was written takes memory, and all of that is back
    the moment it is closed. A heap would keep the holes that bodies of many strangers leave in it.
    """

    def __init__(self, largest: int, began: float) -> None:
        self.patience = asyncio.timeout(None)
        self.size = self.cost = 0
        self._began = began
        self._data = mmap.mmap(-1, largest, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def add(self, piece: bytes) -> None:
        """Keep a piece."""
        self._data[self.size : self.size + len(piece)] = piece
        self.size += len(piece)

    def whole(self) -> memoryview:
        """All of it, where it lies; to be released before `drop`."""
        with memoryview(self._data) as mapping:
            return mapping[: self.size]

    def drop(self) -> None:
        """Give the memory back; harmless when it was."""
        self._data.close()

    def pace(self, now: float) -> float:
        """Bytes a second."""
        return (self.size + HEAD_START_BYTES) / (now - self._began + 0.001)


class Bodies:
    """Reads bodies of up to `each` bytes; all that nobody has vouched for yet take up to `together`, where a body that did
    not arrive in one piece counts for `beside` more than it has bytes.

    Where that is exceeded the slowest still sending is given up, whoever exceeded it. Deadlines are the door's.
    """

    def __init__(self, each: int = 5 << 20, together: int = 16 << 20, beside: int = BESIDE_BYTES) -> None:
        self._each, self._together, self._beside = each, together, beside
        self._incoming: set[_Incoming] = set()  # still sending
        self._held = 0

    @asynccontextmanager
    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> AsyncIterator[bytes | memoryview]:
        """The whole body, which counts as unverified and can be read until the block is left: what is authentic must be copied.

        Refused if it is announced or found to be too large, given up, or its sender leaves.
        """
        if _announced(headers) > self._each:
            raise Refused(TOO_LARGE)
        first = await receive()
        if first.get("more_body", False):
            incoming = _Incoming(self._each, asyncio.get_running_loop().time())
            try:
                async with _until_given_up(incoming):
                    self._begin(incoming, first)
                    del first  # no piece stays in the heap as well, while its sender takes all the time there is
                    while self._keep(incoming, await receive()):
                        pass
                self._incoming.remove(incoming)
                with incoming.whole() as view:
                    yield view
            finally:
                self._release(incoming)
        else:
            body = self._checked(first, 0)
            with self._counted(len(body)):
                yield body

    def _begin(self, incoming: _Incoming, first: Message) -> None:
        self._incoming.add(incoming)
        self._count(incoming, self._beside)
        self._keep(incoming, first)

    def _keep(self, incoming: _Incoming, message: Message) -> bool:
        """Add a piece to its body; whether more is to come."""
        if incoming not in self._incoming:  # given up while this piece was on its way
            raise Refused(BUSY)
        piece = self._checked(message, incoming.size)
        incoming.add(piece)
        self._count(incoming, len(piece))
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

    def _count(self, incoming: _Incoming, size: int) -> None:
        incoming.cost += size
        self._held += size
        self._make_room()

    @contextmanager
    def _counted(self, size: int) -> Iterator[None]:
        self._held += size
        try:
            self._make_room()
            if self._held > self._together:
                raise Refused(BUSY)
            yield
        finally:
            self._held -= size

    def _make_room(self) -> None:
        while self._held > self._together and self._incoming:
            now = asyncio.get_running_loop().time()
            slowest = min(self._incoming, key=lambda incoming: incoming.pace(now))
            self._release(slowest)
            slowest.patience.reschedule(now)

    def _release(self, incoming: _Incoming) -> None:
        incoming.drop()
        self._incoming.discard(incoming)
        self._held -= incoming.cost
        incoming.cost = 0


@asynccontextmanager
async def _until_given_up(incoming: _Incoming) -> AsyncIterator[None]:
    try:
        async with incoming.patience:
            yield
    except TimeoutError:
        raise Refused(BUSY) from None


def _announced(headers: Mapping[bytes, bytes]) -> int:
    """The length that the sender promises; 0 if it promises none."""
    text = headers.get(b"content-length", b"0")
    if not text.isdigit() or len(text) > 19:
        raise Refused(BAD_REQUEST)
    return int(text)
