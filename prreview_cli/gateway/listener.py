"""The loopback listener: uvicorn on a free port of the running event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import uvicorn

from prreview_cli.gateway.door import Receive, Scope, Send

_CLOSE_WITHIN_S = 2


class Listener:
    """A running listener; `url` is where.

    The server is started and stopped by its two steps and not by `serve`, which would take the
    signals from the pool (a drain lets running reviews finish, and they need their gateway) and
    wake up ten times a second.
    """

    def __init__(self, server: uvicorn.Server, listening: socket.socket) -> None:
        self._server, self._socket = server, listening
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"

    @classmethod
    async def start(cls, answer: Callable[[Scope, Receive, Send], Awaitable[None]]) -> Listener:
        """Listen on a free port of 127.0.0.1; connections are accepted from here on."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        config = uvicorn.Config(
            answer,
            interface="asgi3",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_CLOSE_WITHIN_S,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listening])
        return cls(server, listening)

    async def also_on(self, door: socket.socket) -> asyncio.Server:
        """A server that answers on another listening socket too, once it is started."""
        config, server = self._server.config, self._server

        def client() -> asyncio.Protocol:
            return config.http_protocol_class(config=config, server_state=server.server_state, app_state=server.lifespan.state)  # type: ignore[call-arg]

        return await asyncio.get_running_loop().create_server(client, sock=door, start_serving=False)

    async def close(self) -> None:
        """Stop accepting, cut what is left, and free the port."""
        await self._server.shutdown(sockets=[self._socket])
