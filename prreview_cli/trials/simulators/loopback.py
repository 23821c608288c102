"""A server on a free port of 127.0.0.1, in a thread with a loop of its own.

The thread keeps it answering while its user measures, renders or waits for a child; so what is
recorded is read from another thread than it is written in: records are appended, never changed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from prreview_cli.trials.simulators.http import Cut, Handler, Request, read_request, write_response

START_S = 10.0


class Watch:
    """Waits, in any loop, for something that another thread brings about."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def notify(self) -> None:
        """Let all who wait look again; from any thread."""
        with self._lock:
            for loop, event in self._waiting:
                loop.call_soon_threadsafe(event.set)

    async def until(self, true: Callable[[], bool], timeout_s: float | None = None) -> None:
        """Return once `true()` holds, asked again at each `notify`. TimeoutError after `timeout_s`."""
        event = asyncio.Event()
        entry = asyncio.get_running_loop(), event
        with self._lock:
            self._waiting.add(entry)
        try:
            async with asyncio.timeout(timeout_s):
                while not true():
                    await event.wait()
                    event.clear()
        finally:
            with self._lock:
                self._waiting.discard(entry)


class Gate:
    """A place where a request waits until it is let through; open for good once opened."""

    def __init__(self) -> None:
        self._watch, self._open, self._reached = Watch(), False, 0

    def open(self) -> None:
        """Let through whoever waits and whoever comes."""
        self._open = True
        self._watch.notify()

    @property
    def arrived(self) -> int:
        """How many requests have come to the gate so far."""
        return self._reached

    async def pass_through(self) -> None:
        """Wait here, on the simulator's side."""
        self._reached += 1
        self._watch.notify()
        await self._watch.until(lambda: self._open)

    async def reached(self, times: int = 1, timeout_s: float = 30.0) -> None:
        """Return once that many requests have come to the gate."""
        await self._watch.until(lambda: self._reached >= times, timeout_s)


class _Connection(asyncio.StreamReaderProtocol):
    """One client. When it hangs up, the work on its request is cancelled, so nobody is served who left."""

    def __init__(self, handler: Handler, tasks: set[asyncio.Task[None]]) -> None:
        self._handler, self._tasks = handler, tasks
        super().__init__(asyncio.StreamReader(), self._begin)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    def eof_received(self) -> bool | None:
        super().eof_received()
        self._task.cancel()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._task.cancel()
        super().connection_lost(exc)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await read_request(reader, writer)) is not None:
                await write_response(writer, request, await self._handler(request))
                if _is_last(request):
                    return
        except (Cut, ValueError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            writer.close()


def _is_last(request: Request) -> bool:
    return request.headers.get("connection", "").lower() == "close"


class Loopback:
    """Serves `handler` from `start` to `stop`; both may be called from any thread, and block for a moment."""

    def __init__(self, handler: Handler, name: str) -> None:
        self._handler, self._name = handler, name
        self._started = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Listen. RuntimeError if that cannot be."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name=self._name, daemon=True)
        self._thread.start()
        if not self._started.wait(START_S) or not self.port:
            raise RuntimeError(f"The simulator {self._name} could not listen on 127.0.0.1.")
        return self

    def stop(self) -> None:
        """Reset all connections and end the thread."""
        if self._thread is None:
            return
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_S)
        self._thread = None

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()
        try:
            server = await self._loop.create_server(lambda: _Connection(self._handler, tasks), "127.0.0.1", 0, backlog=1024)
            self.port = server.sockets[0].getsockname()[1]
        finally:
            self._started.set()
        await self._stop.wait()
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
