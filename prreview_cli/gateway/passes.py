"""A pass: one review's access to the model."""

from __future__ import annotations

import asyncio
import hmac
import secrets

from prreview_cli.core.errors import Failure
from prreview_cli.core.ports.gateway import Allowance
from prreview_cli.core.review import Usage
from prreview_cli.gateway.upstream import Account


class Pass:
    """What the port calls a grant, and what the gateway has to remember of one review."""

    def __init__(self, base_url: str, account: Account, allowance: Allowance) -> None:
        self.base_url = base_url
        self.token = secrets.token_urlsafe(32)
        self.account = account
        self.allowance = allowance
        self.slots = asyncio.Semaphore(allowance.calls_in_flight)
        self.failure: Failure | None = None
        self.revoked = False
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        return self.account.usage

    def opens_with(self, token: str) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(self.token.encode(), token.encode())

    def revoke(self) -> None:
        """Let no further request through, and cut those under way."""
        self.revoked = True
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
