"""A pass: one review's access to the model."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from socket import socket
from typing import TYPE_CHECKING

from prreview_cli.core.errors import Failure
from prreview_cli.core.ports.gateway import Allowance
from prreview_cli.core.review import Usage
from prreview_cli.gateway.upstream import Account

if TYPE_CHECKING:
    from prreview_cli.gateway.listener import Listener


class Pass:
    """What the port calls a grant, and what the gateway has to remember of one review."""

    def __init__(self, listener: Listener, account: Account, allowance: Allowance) -> None:
        self.base_url = listener.url
        self.token = secrets.token_urlsafe(32)
        self.account = account
        self.allowance = allowance
        self.slots = asyncio.Semaphore(allowance.calls_in_flight)
        self.failure: Failure | None = None
        self.revoked = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._listener = listener
        self._doors: list[asyncio.Server] = []

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        return self.account.usage

    def opens_with(self, token: str) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(self.token.encode(), token.encode())

    async def listen(self, door: int) -> None:
        """See `core.ports.gateway`."""
        server = await self._listener.also_on(socket(fileno=door))
        self._doors.append(server)
        if self.revoked:
            server.close()
        else:
            await server.start_serving()

    def revoke(self) -> None:
        """Let no further request through, and cut those under way."""
        self.revoked = True
        for door in self._doors:
            door.close()
        for task in self._under_way:
            task.cancel()

    def watch(self, task: asyncio.Task[None]) -> None:
        """Count a request as under way until it has ended and is paid for."""
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def settled(self, within_s: float | None = None) -> None:
        """Return once no request is under way and `usage` is complete, or when the time is over."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=within_s)
