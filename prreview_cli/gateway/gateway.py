"""The gateway itself: passes, and the way of a request through the caps, the back-off and the provider."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from prreview_cli.core import errors
from prreview_cli.core.job import Lease
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.gateway import Allowance
from prreview_cli.core.ports.store import Spend, Switches
from prreview_cli.core.profile import Model
from prreview_cli.core.retry import RESPONSES, Response
from prreview_cli.gateway import answers, door
from prreview_cli.gateway.backoff import Backoff, Patience
from prreview_cli.gateway.passes import Pass
from prreview_cli.gateway.upstream import Account, Call, Upstream
from prreview_cli.secrecy import Secret
from prreview_cli.telemetry import logger

if TYPE_CHECKING:
    from prreview_cli.gateway.listener import Listener

_log = logger("gateway")

_DRAIN_S = 2.0
"""How long an answer is read on for its bill after the agent's process has gone, as it does with an accepted review."""


class ModelGateway:
    """The way to the model (`core.ports.gateway`), on a free loopback port of the running event loop.

    `key` is asked before each call. `on_profile_failure` is awaited before the agent's process
    hears of a failure that concerns the whole profile, so that nothing more is sent with a dead key; `on_answer`
    after each answer that ended in order. `on_limit` is awaited at once where the provider names a time before which it
    is not to be asked, and `limited_until` tells the time that any process was told.
    """

    def __init__(
        self,
        model: Model,
        key: Callable[[], Secret],
        spend: Spend,
        switches: Switches,
        clock: Clock,
        *,
        on_profile_failure: Callable[[errors.Failure], Awaitable[None]],
        on_answer: Callable[[], Awaitable[None]],
        on_limit: Callable[[errors.Failure], Awaitable[None]],
        limited_until: Callable[[], Awaitable[datetime | None]],
        redact: Callable[[str], str],
        chance: Callable[[], float] | None = None,
    ) -> None:
        self._model = model
        self._upstream = Upstream(model, key, spend, clock, redact)
        self._backoff = Backoff(clock, chance or random.SystemRandom().random)
        self._switches, self._clock = switches, clock
        self._on_profile_failure, self._on_answer = on_profile_failure, on_answer
        self._on_limit, self._limited_until = on_limit, limited_until
        self._passes: list[Pass] = []
        self._listener: Listener | None = None
        self.refusals: Counter[str] = Counter()

    async def start(self) -> None:
        """Listen; before the first grant."""
        from prreview_cli.gateway.listener import Listener  # noqa: PLC0415 - it imports uvicorn

        self._listener = await Listener.start(self._answer)

    async def close(self) -> None:
        """Revoke what is left, settle, and stop listening."""
        for grant in tuple(self._passes):
            grant.revoke()
            await grant.settled()
        if self._listener is not None:
            await self._listener.close()
        await self._upstream.close()

    @property
    def calls_in_flight(self) -> int:
        """Model requests under way in this process."""
        return self._upstream.in_flight

    @asynccontextmanager
    async def grant(self, lease: Lease, allowance: Allowance) -> AsyncIterator[Pass]:
        """Access for one review; on leaving it is revoked, and what it used is settled."""
        if self._listener is None:
            raise RuntimeError("The gateway has not been started.")
        grant = Pass(self._listener, Account(lease), allowance)
        self._passes.append(grant)
        try:
            yield grant
        finally:
            try:
                await grant.settled(within_s=_DRAIN_S)
            finally:  # cancelled once more, as at a time-out after a push, it is revoked all the same
                grant.revoke()
                self._passes.remove(grant)
            await grant.settled()

    async def probe(self) -> None:
        """Ask the model for one token, on the day's bill, paused or not; raises the Failure that the answer means."""
        body = answers.probe_body(self._model.name)
        call = Call(body, max_tokens=1, headers={"content-type": "application/json", "anthropic-version": "2023-06-01"})

        async def ignore(_: bytes) -> None:
            pass

        attempt = await self._upstream.ask(Account(lease=None), call, ignore)
        if attempt.failure is not None:
            raise attempt.failure
        await self._tell_answered()

    # -- a request ----------------------------------------------------------------------------------

    async def _answer(self, scope: door.Scope, receive: door.Receive, send: door.Send) -> None:
        reply = door.Reply(send)
        try:
            if (scope["method"], scope["path"]) == ("HEAD", "/api/hello"):
                await reply.say_hello()
                return
            grant, call = await self._admit(scope, receive)
        except door.Refused as refused:
            self.refusals[str(refused)] += 1
            _log.warning("model_request_refused", reason=str(refused), path=scope["path"][:100])
            await reply.refuse()
            return
        await self._serve(grant, call, reply, receive)

    async def _admit(self, scope: door.Scope, receive: door.Receive) -> tuple[Pass, Call]:
        headers = door.headers_of(scope["headers"])
        token = door.token_of(headers)
        # Every pass is looked at, so that the time taken tells nothing of the others.
        fitting = [grant for grant in self._passes if grant.opens_with(token)]
        if not fitting or fitting[0].revoked:
            raise door.Refused("unknown token")
        if (scope["method"], scope["path"]) != ("POST", "/v1/messages"):
            raise door.Refused("another route")
        body = await door.body_of(receive)
        try:
            return fitting[0], door.admit(fitting[0].allowance, scope["query_string"], headers, body)
        except door.Refused as refused:
            fitting[0].failure = refused.failure or fitting[0].failure
            raise

    async def _serve(self, grant: Pass, call: Call, reply: door.Reply, receive: door.Receive) -> None:
        relay = asyncio.create_task(self._relay(grant, call, reply))
        grant.watch(relay)
        gone = asyncio.ensure_future(receive())
        try:
            await asyncio.wait({relay, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not relay.done() and reply.begun:
                await asyncio.wait({relay}, timeout=_DRAIN_S)
        finally:
            relay.cancel()
            gone.cancel()
            await asyncio.wait({relay, gone})
        if relay.cancelled() and not reply.begun:
            await reply.refuse()

    async def _relay(self, grant: Pass, call: Call, reply: door.Reply) -> None:
        try:
            async with grant.slots:
                await self._ask_until_answered(grant, call, reply)
            grant.failure = None
            await reply.end()
        except Exception as error:  # noqa: BLE001 - a boundary: the agent's process gets an answer, the grant the failure
            failure = error if isinstance(error, errors.Failure) else errors.Internal(f"The gateway failed ({type(error).__name__}).")
            if failure is not error:
                _log.exception("gateway_failed")
            grant.failure = failure
            await self._tell_everybody(failure)
            if not reply.begun:
                await reply.refuse(*answers.told_to_agent(failure))
            # A stream that has begun is left without its end: the server cuts the connection, as the provider's was.

    async def _ask_until_answered(self, grant: Pass, call: Call, reply: door.Reply) -> None:
        patience = Patience(self._backoff, self._clock)
        while True:
            await self._wait(patience)
            await self._see_that_it_may(grant)
            attempt = await self._upstream.ask(grant.account, call, reply.stream)
            if attempt.failure is None:
                await self._tell_answered()
                return
            await self._tell_limit(attempt.failure)
            again = isinstance(attempt.failure, answers.RETRIED) and patience.try_again_after(attempt.failure)
            if attempt.passed_on or not again:
                raise attempt.failure

    async def _wait(self, patience: Patience) -> None:
        """Wait out every limit, those that other processes met before or during the wait too."""
        waited = True
        while waited:
            if (until := await self._limited_until()) is not None:
                self._backoff.not_before(until)
            waited = await patience.wait()

    async def _see_that_it_may(self, grant: Pass) -> None:
        if grant.revoked:
            raise errors.Stopped("The review was stopped.")
        pause = await self._switches.paused(self._clock.now())
        if pause is not None:
            raise errors.Paused(f"The profile is paused: {pause.reason}")

    async def _tell_answered(self) -> None:
        try:
            await self._on_answer()
        except Exception:  # noqa: BLE001 - a hook: the answer is good all the same
            _log.exception("answer_not_noted")

    async def _tell_limit(self, failure: errors.Failure) -> None:
        if isinstance(failure, errors.ModelRateLimited) and failure.retry_at is not None:
            try:
                await self._on_limit(failure)
            except Exception:  # noqa: BLE001 - a hook: this process keeps to the limit all the same
                _log.exception("limit_not_noted")

    async def _tell_everybody(self, failure: errors.Failure) -> None:
        if RESPONSES[type(failure)] in {Response.PAUSE, Response.PAUSE_TODAY}:
            try:
                await self._on_profile_failure(failure)
            except Exception:  # noqa: BLE001 - a hook: the failure still ends the review
                _log.exception("pause_failed")
