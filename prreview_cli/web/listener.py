"""An ASGI application on a real socket, behind the door, in the running event loop.

uvicorn's own `Server` is not used: it takes the process's signals for itself, ends the process where a
port is taken, and ticks ten times a second. Its protocol is what matters, and the door is that.
"""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from prreview_cli.core.errors import UsageError
from prreview_cli.web.asgi import Application
from prreview_cli.web.keeper import Keeper, Limits

if TYPE_CHECKING:
    from uvicorn.server import ServerState

BACKLOG = 2048
ACCEPTED_AT_ONCE = 16
"""asyncio accepts as many connections as its backlog in one go, before the first of them is counted, and logs each that it has
no file for: so it is told of a small one, and only the operating system of the large one."""
OTHER_FILES = 64
"""What a server opens beside its connections: databases, logs, sockets that listen."""


class Listener:
    """`async with Listener(app, "127.0.0.1", 0, setting="server.port") as listener: … listener.url`.

    Port 0 takes a free one; `url`, from then on, says where it really listens, without a path. On
    leaving nothing new is accepted, what is under way has `drain_s` to finish, and then the rest is cut
    off. `setting` names the key to blame if the port cannot be had (UsageError). `turned_away` is told
    the outcome of each request refused at the door.
    """

    def __init__(
        self,
        app: Application,
        host: str,
        port: int,
        *,
        setting: str,
        limits: Limits | None = None,
        drain_s: float = 3.0,
        turned_away: Callable[[str], None] | None = None,
    ) -> None:
        self._app = app
        self._host, self._port, self._setting = host, port, setting
        self._keeper = Keeper(_within_files(limits or Limits()), turned_away)
        self._drain_s = drain_s
        self._state: ServerState
        self._server: asyncio.Server
        self.url: str

    @property
    def busy(self) -> int:
        """Requests that wait for their answer."""
        return len(self._state.tasks)

    async def __aenter__(self) -> Self:
        from uvicorn.config import Config  # noqa: PLC0415 -- heavy: only who listens loads uvicorn
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol  # noqa: PLC0415 -- as above
        from uvicorn.server import ServerState  # noqa: PLC0415 -- as above

        from prreview_cli.web.door import Door  # noqa: PLC0415 -- as above

        loop = asyncio.get_running_loop()
        state = self._state = ServerState()
        config = Config(
            self._app,
            http=HttpToolsProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            workers=1,
        )
        config.load()
        listening = _bind(self._host, self._port, self._setting)
        self.url = _url(listening)
        self._server = await loop.create_server(lambda: Door(config, state, self._keeper, loop), sock=listening, backlog=ACCEPTED_AT_ONCE)
        listening.listen(BACKLOG)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for door in list(self._state.connections):
            door.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=self._drain_s)
        for door in list(self._state.connections):
            door.transport.abort()
        for task in list(self._state.tasks):
            task.cancel()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
        await _next_turn()  # in which the connections learn that they are lost


async def _next_turn() -> None:
    loop = asyncio.get_running_loop()
    turn = loop.create_future()
    loop.call_soon(turn.set_result, None)
    await turn


def _bind(host: str, port: int, setting: str) -> socket.socket:
    """A bound socket. asyncio sets TCP_NODELAY only where the protocol is named as TCP, which
    `socket.create_server` does not do: each answer on a kept connection would wait 40 ms for an ACK."""
    listening = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise UsageError(f"Port {port} on {host} cannot be used: {_why(error)}.", remedy=_remedy(error, setting)) from error
    return listening


def _within_files(limits: Limits) -> Limits:
    """These limits, with no more connections than there can be files, of which this process allows itself enough if it may.

    A burst is let in up to twice the bound. Without room for that, the operating system would turn away whoever
    comes next, and those who drip would keep their places.
    """
    wanted = 2 * limits.connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return replace(limits, connections=max(1, min(limits.connections, (soft - OTHER_FILES) // 2)))
    return limits


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "it is taken by another program"
        case errno.EACCES:
            return "this user may not listen there"
        case errno.EADDRNOTAVAIL:
            return "the host is not an address of this machine"
    return (error.strerror or "the operating system refuses it").rstrip(".")


def _remedy(error: OSError, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Stop the other program, or choose another {setting}; 0 takes a free one."
    return f"Choose another host or another {setting}."
