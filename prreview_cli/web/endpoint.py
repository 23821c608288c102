"""The public face: a bare ASGI application with two routes, importable by any ASGI server.

Everything here runs for every stranger's request, so there is no router, no framework and no model
class on the way. On servers other than our own (serverless) the caps on bodies hold; the deadlines
and the caps on headers are the door's (`web.door`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.host import Signer
from prreview_cli.services.intake import FORGED, Reply
from prreview_cli.telemetry import logger
from prreview_cli.web.asgi import Receive, Scope, Send, answer
from prreview_cli.web.bodies import Bodies, Refused
from prreview_cli.web.replies import FAILED, HEALTHY, METHOD_NOT_ALLOWED, NOT_FOUND, UNHEALTHY

WEBHOOK_PATH = "/webhook/pr"
HEALTH_FRESH_S = 0.25
"""Anybody may ask for our health, as often as they like: the database is looked at four times a second at most."""

log = logger("endpoint")


class Receiver(Protocol):
    """Answers deliveries, in two steps: the intake."""

    async def verify(self, body: bytes | memoryview, headers: Mapping[bytes, bytes]) -> Signer | None:
        """Who signed it; None if nobody did whom we know."""

    async def take(self, body: bytes, headers: Mapping[bytes, bytes], signer: Signer) -> Reply:
        """Answer one that is authentic."""


class Tally(Protocol):
    """Counts what is answered: the metrics."""

    def acknowledged(self, outcome: str, seconds: float) -> None:
        """A delivery was answered after that long."""


class Endpoint:
    """POST /webhook/pr and GET /healthz; nothing else, and nothing said about the rest.

    `check_writable` is the store's: StoreUnusable unless a delivery could be stored now.
    """

    def __init__(
        self,
        receiver: Receiver,
        check_writable: Callable[[], Awaitable[None]],
        clock: Clock,
        *,
        tally: Tally | None = None,
        bodies: Bodies | None = None,
    ) -> None:
        self._receiver = receiver
        self._health = Health(check_writable, clock)
        self._clock = clock
        self._tally = tally
        self._bodies = bodies or Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"Only http is spoken here, not {scope['type']}.")
        match scope["path"]:
            case "/webhook/pr" if scope["method"] == "POST":
                await self._deliver(scope, receive, send)
            case "/healthz" if scope["method"] == "GET":
                await answer(send, await self._health.ask())
            case "/webhook/pr":
                await answer(send, METHOD_NOT_ALLOWED, (b"allow", b"POST"))
            case "/healthz":
                await answer(send, METHOD_NOT_ALLOWED, (b"allow", b"GET"))
            case _:
                await answer(send, NOT_FOUND)

    async def _deliver(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = self._clock.monotonic()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        reply = await self._reply(headers, receive)
        if reply is None:
            return
        await answer(send, reply)
        if self._tally is not None:
            self._tally.acknowledged(reply.outcome, self._clock.monotonic() - began)

    async def _reply(self, headers: Mapping[bytes, bytes], receive: Receive) -> Reply | None:
        try:
            async with self._bodies.read(headers, receive) as unverified:
                signer = await self._receiver.verify(unverified, headers)
                if not signer:
                    return FORGED
                body = bytes(unverified)
            return await self._receiver.take(body, headers, signer)
        except Refused as refused:
            return refused.reply
        except Exception:
            log.exception("endpoint_failed")
            return FAILED


class Health:
    """Whether deliveries can be stored, asked of the database at most four times a second."""

    def __init__(self, check_writable: Callable[[], Awaitable[None]], clock: Clock) -> None:
        self._check_writable = check_writable
        self._clock = clock
        self._looking = asyncio.Lock()
        self._fresh_until = float("-inf")
        self._last = UNHEALTHY

    async def ask(self) -> Reply:
        """HEALTHY or UNHEALTHY."""
        async with self._looking:
            if self._clock.monotonic() >= self._fresh_until:
                self._last = await self._look()
                self._fresh_until = self._clock.monotonic() + HEALTH_FRESH_S
            return self._last

    async def _look(self) -> Reply:
        try:
            await self._check_writable()
        except StoreUnusable as trouble:
            log.warning("store_unusable", reason=str(trouble))
            return UNHEALTHY
        except Exception:
            log.exception("health_failed")
            return UNHEALTHY
        return HEALTHY
