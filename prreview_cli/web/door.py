"""The door: uvicorn's HTTP protocol with bounds on what a stranger may send, and how slowly.

Stock uvicorn (0.54, with httptools) takes endless headers, times out neither headers nor bodies, and
under `limit_concurrency` turns the newest connection away, which is the good one behind two hundred
that drip. This subclass follows each connection through its phases, each with a deadline:

    HEADERS -> BODY -> ANSWERING -> IDLE -> HEADERS …          and from anywhere: -> LINGERING

Whoever is refused while still sending gets the answer, then the end of the stream, and what still
comes is thrown away for a while (LINGERING). Closing at once would reset the connection, and the
sender would see a broken pipe in place of the answer.

It rests on uvicorn's internals, so `tests/integration/test_door_*.py` pin what it does on real sockets.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from enum import Enum, auto

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from prreview_cli.services.intake import Reply
from prreview_cli.web.keeper import READ_BYTES, Keeper
from prreview_cli.web.replies import BAD_REQUEST, BUSY, HEADERS_TOO_LARGE, TOO_LARGE, TOO_SLOW
from prreview_cli.web.wire import Gentle, raw

HEAD_START_BYTES = 1 << 10
"""What a connection is credited with before it is called slow."""


class Phase(Enum):
    """What a connection is waiting for."""

    HEADERS = auto()
    BODY = auto()
    ANSWERING = auto()  # all was received; the next move is ours
    IDLE = auto()
    LINGERING = auto()  # answered for the last time; what still comes is thrown away


class Door(HttpToolsProtocol, asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self, config: Config, server_state: ServerState, keeper: Keeper, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(config, server_state, {}, loop)
        limits = keeper.limits
        self.header_bytes = 0  # of unfinished headers; the keeper's to count
        self._keeper, self._limits = keeper, limits
        self._patience = {
            Phase.HEADERS: limits.header_s,
            Phase.BODY: limits.body_s,
            Phase.ANSWERING: limits.answer_s,
            Phase.IDLE: limits.idle_s,
            Phase.LINGERING: limits.linger_s,
        }
        self._wire: asyncio.Transport
        self._gentle: Gentle
        self._phase = Phase.HEADERS
        self._since = self._deadline = loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0  # in this phase
        self._overhead = 0  # received for this message, less its body
        self._in_message = self._in_headers = False
        self._deaf = False  # an answer is owed, but nothing more is listened to
        self._verdict: Reply = BAD_REQUEST  # what a parser that stops is answered with

    # -- the connection ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._wire = transport
        self._gentle = Gentle(transport, self)
        super().connection_made(self._gentle)
        self._enter(Phase.HEADERS)
        self._keeper.enter(self, self._since)

    def connection_lost(self, exc: Exception | None) -> None:
        self._keeper.leave(self)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The listener closes: finish what is under way, take nothing new."""
        if self._phase in {Phase.BODY, Phase.ANSWERING}:
            self.cycle.keep_alive = False
        else:
            self._wire.close()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client has said all it will say; it may still be waiting for its answer."""
        self._deaf = True
        return self._phase is Phase.ANSWERING

    # -- what arrives --------------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 -- asyncio's signature
        return self._keeper.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(self._keeper.read_buffer[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        self._received += len(data)
        if self._phase is Phase.LINGERING:
            if self._received > self._limits.linger_bytes:
                self._wire.abort()
            return
        if self._deaf:
            return
        self._overhead += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(self._verdict)
        else:
            self._weigh(len(data))

    def _weigh(self, size: int) -> None:
        if self._overhead > self._limits.header_bytes:
            self._refuse(HEADERS_TOO_LARGE if self._phase is Phase.HEADERS else TOO_LARGE)
        elif self._phase is Phase.HEADERS:
            self._keeper.hold_headers(self, size, self.loop.time())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_message = self._in_headers = True
        if self._phase is Phase.IDLE:
            self._enter(Phase.HEADERS)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_headers:
            return  # a trailer is not a header
        if len(self.headers) >= self._limits.header_lines:
            self._stop(HEADERS_TOO_LARGE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self._limits.header_bytes:
            self._stop(HEADERS_TOO_LARGE)
        if self.parser.should_upgrade() and _has_body(self.headers):
            self._stop(BAD_REQUEST)  # llhttp leaves out the body of a request that asks for another protocol
        self._in_headers = False
        super().on_headers_complete()
        if len(self.pipeline) > self._limits.pipelined:
            self._stop(BUSY)

    def on_body(self, body: bytes) -> None:
        self._overhead = max(0, self._overhead - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_message = False
        self._overhead = 0
        if self._phase is Phase.BODY:
            self._enter(Phase.ANSWERING)

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if (self._deaf and not self.pipeline) or (self.cycle.response_complete and self.cycle.more_body):
            self.leave()
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._in_message:
            self._enter(Phase.HEADERS)
            # How much of them came in one piece with the last request is not known: a whole piece at most.
            self._keeper.hold_headers(self, self._overhead + READ_BYTES, self._since)
        else:
            self._enter(Phase.IDLE)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # A connection waits for what the request waits for whose turn it is, whatever came of those behind it.
        self._enter(Phase.BODY if cycle.more_body else Phase.ANSWERING)
        super()._start_asgi_task(cycle, app)

    # -- saying no -----------------------------------------------------------------------------------

    def _stop(self, reply: Reply) -> None:
        """Stop the parser from within one of its callbacks; it reports an error, which `data_received` answers."""
        self._verdict = reply
        raise ValueError(reply.outcome)

    def _refuse(self, reply: Reply, *, linger: bool = True) -> None:
        """Answer for the application, and let nothing more in."""
        self._keeper.refused(reply.outcome)
        if self._phase is Phase.ANSWERING:  # a request before was whole: it is answered, then the connection ends
            self._deaf = True
            self.pipeline.clear()
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started:
                self._wire.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self._gentle.write(raw(reply))
        if linger:
            self.leave()
        else:
            self._gentle.flush()
            self._wire.abort()  # what was not taken by now would keep the connection for as long as its client likes

    def leave(self) -> None:
        """Close; but whoever is still sending is first given the time to see the answer."""
        if self._wire.is_closing() or self._phase is Phase.LINGERING:
            return
        self._gentle.flush()
        if self._phase is Phase.ANSWERING or not (self._in_message or self._received):
            self._wire.close()
            return
        self._enter(Phase.LINGERING)
        self.pipeline.clear()
        if self.cycle is not None:
            self.cycle.body.clear()
        self.flow.resume_reading()
        with suppress(OSError):  # a sender that has hung up meanwhile leaves nothing to end
            self._wire.write_eof()

    @property
    def lingering(self) -> bool:
        """Whether the last answer has been given."""
        return self._phase is Phase.LINGERING

    # -- time ----------------------------------------------------------------------------------------

    def _enter(self, phase: Phase) -> None:
        if phase is not Phase.HEADERS:
            self._keeper.drop_headers(self)
        now = self.loop.time()
        self._phase, self._since, self._received = phase, now, 0
        self._deadline = now + self._patience[phase]
        # One timer runs a connection's whole life and looks at the deadline of the moment: none is made and
        # cancelled for each request, which is where stock keep-alive time-outs cost.
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self.loop.call_at(self._deadline, self._tick)

    def _tick(self) -> None:
        if self.loop.time() < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._tick)
            return
        self._timer = None
        match self._phase:
            case Phase.HEADERS | Phase.BODY if not self._wire.is_closing():
                self._refuse(TOO_SLOW)
            case _:  # a client that does not take its answers keeps a closing connection open, too
                self._wire.abort()

    def pace(self, now: float) -> float:
        """How fast this connection sends; see `Keeper`."""
        if self._phase is Phase.LINGERING or self.flow.write_paused:
            return 0.0
        if self._phase is Phase.ANSWERING:
            return float("inf")
        return (self._received + HEAD_START_BYTES) / (now - self._since + 0.001)

    def age(self, now: float) -> float:
        """Seconds in the present phase."""
        return now - self._since

    def shed(self) -> None:
        """Make room, at once: lingering would take as much of it as before."""
        if self._phase in {Phase.HEADERS, Phase.BODY}:
            self._refuse(BUSY, linger=False)
        else:
            self._wire.abort()


def _has_body(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"transfer-encoding" or (name == b"content-length" and value != b"0") for name, value in headers)
