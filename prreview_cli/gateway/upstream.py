"""One call of the model's provider: reserve, ask, pass the answer on, settle. Nothing is asked that is not reserved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from prreview_cli.core import errors
from prreview_cli.core.budget import Measured, Tokens, cost, most_input_tokens, prices_of, worst_case
from prreview_cli.core.job import Lease
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import CapReached, Caps, Spend
from prreview_cli.core.profile import Model, Prices
from prreview_cli.core.retry import end_of_day
from prreview_cli.core.review import Usage
from prreview_cli.gateway import answers
from prreview_cli.gateway.stream import Reading
from prreview_cli.secrecy import Secret
from prreview_cli.telemetry import logger

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
_log = logger("gateway")

_ERROR_BODY_AT_MOST = 64 << 10
_CONNECT_S, _SILENCE_S = 10.0, 180.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request for the model, as it is to be sent but for the key."""

    body: bytes
    max_tokens: int
    headers: Mapping[str, str]
    query: str = ""


Sink = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class Account:
    """On whose bill calls are made (None: of no job), what they used, and what the last one's input was measured at."""

    lease: Lease | None
    usage: Usage = field(default_factory=Usage)
    measured: Measured | None = None


@dataclass(slots=True)
class Attempt:
    """What became of one call. `passed_on`: a part of the answer has reached the sink, so it cannot be asked for again."""

    reading: Reading
    status: int | None = None
    failure: errors.Failure | None = None
    unsent: bool = False
    passed_on: bool = False


class Upstream:
    """The provider behind `model.base_url`, with the key. `in_flight` counts the requests under way."""

    def __init__(self, model: Model, key: Callable[[], Secret], spend: Spend, clock: Clock, redact: Callable[[str], str]) -> None:
        import httpx  # noqa: PLC0415 - slow to import, and only a worker needs it

        prices = model.prices or prices_of(model.name)
        if prices is None:
            raise errors.ProfileError(
                f"The price of the model {model.name!r} is not known, so its cost cannot be capped.",
                remedy="Add model.prices = { input = …, output = …, cache_read = …, cache_write = … }, in USD a million tokens.",
            )
        self._prices: Prices = prices
        self._caps = Caps(model.max_usd_per_review, model.max_usd_per_pull_request, model.max_usd_per_day)
        self._url = model.base_url.rstrip("/") + "/v1/messages"
        self._key, self._spend, self._clock, self._redact = key, spend, clock, redact
        # No proxy and no .netrc of the environment: the key goes where the profile says.
        timeout = httpx.Timeout(_SILENCE_S, connect=_CONNECT_S)
        self._client = httpx.AsyncClient(
            trust_env=False, follow_redirects=False, timeout=timeout, limits=httpx.Limits(max_connections=None)
        )
        self._settling: set[asyncio.Task[Any]] = set()
        self.in_flight = 0

    async def ask(self, account: Account, call: Call, sink: Sink) -> Attempt:
        """Make one call and hand the answer to `sink` as it comes, once it has begun well.

        BudgetReached or DayBudgetReached (raised) if a cap could be exceeded; then nothing is sent.
        What was sent is settled in any case, by cancellation too, and what was reserved for nothing is given back.
        """
        most_input = most_input_tokens(call.body, account.measured)
        reservation = await self._reserve(account.lease, worst_case(most_input, call.max_tokens, self._prices))
        attempt = Attempt(Reading())
        try:
            await self._send(call, attempt, sink)
        finally:
            await asyncio.shield(self._in_any_case(self._settle(account, reservation, most_input, call, attempt)))
        return attempt

    async def close(self) -> None:
        """Let what is being settled end, then close the connections."""
        while self._settling:
            await asyncio.wait(set(self._settling))
        await self._client.aclose()

    async def _reserve(self, lease: Lease | None, usd: float) -> str:
        now = self._clock.now()
        reserving = self._in_any_case(self._spend.reserve(lease, usd, self._caps, now))
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:
            self._in_any_case(self._give_back(reserving))
            raise
        except CapReached as reached:
            told = f"{reached} The next model call may cost up to {usd:.4f} USD."
            if reached.cap == "day":
                raise errors.DayBudgetReached(told, retry_at=end_of_day(now)) from None
            raise errors.BudgetReached(told) from None

    async def _give_back(self, reserving: asyncio.Task[str]) -> None:
        """Settle what was being reserved for a call that is not made any more."""
        with suppress(CapReached, errors.PrreviewError):
            await self._spend.settle(await reserving, Usage(), None, self._clock.now())

    def _in_any_case(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do this, whatever becomes of who asked for it; `close` waits for it."""
        task = asyncio.create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        return task

    async def _send(self, call: Call, attempt: Attempt, sink: Sink) -> None:
        import httpx  # noqa: PLC0415 - as above

        self.in_flight += 1
        try:
            async with self._client.stream("POST", self._url + call.query, content=call.body, headers=self._headers(call)) as response:
                attempt.status = response.status_code
                if response.status_code == httpx.codes.OK:
                    await self._pass_on(response, attempt, sink)
                else:
                    attempt.failure = await self._refused(response)
        except errors.SecretUnavailable as unavailable:
            attempt.unsent = True
            attempt.failure = errors.ModelKeyRejected(f"The model key cannot be had: {unavailable}", remedy=unavailable.remedy)
        except (httpx.TransportError, httpx.DecodingError) as broken:
            # The exception's own text is not repeated: for a bad header it quotes the key.
            attempt.unsent = isinstance(broken, httpx.ConnectError | httpx.ConnectTimeout | httpx.LocalProtocolError)
            attempt.failure = errors.ModelUnreachable(f"No whole answer came from the model's provider ({type(broken).__name__}).")
        finally:
            self.in_flight -= 1

    def _headers(self, call: Call) -> dict[str, str]:
        # Identity: what is read along with must not have to be unpacked.
        return {**call.headers, "x-api-key": self._key().reveal(), "accept-encoding": "identity"}

    async def _refused(self, response: httpx.Response) -> errors.Failure:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _ERROR_BODY_AT_MOST:
                break
        hint = answers.retry_at(response.headers.get("retry-after"), self._clock.now())
        return answers.meaning(response.status_code, bytes(body[:_ERROR_BODY_AT_MOST]), hint, self._redact)

    async def _pass_on(self, response: httpx.Response, attempt: Attempt, sink: Sink) -> None:
        reading, held = attempt.reading, b""
        async for chunk in response.aiter_bytes():
            reading.feed(chunk)
            held += chunk
            if reading.broken or (not reading.started and (reading.error or len(held) > _ERROR_BODY_AT_MOST)):
                break
            # Until the answer has begun well it is held back, so that a failure can still be tried again.
            if reading.started:
                attempt.passed_on = True
                await sink(held)
                held = b""
        if reading.error is not None:
            attempt.failure = answers.meaning_of_event(reading.error, self._redact)
        elif reading.broken or not reading.started:
            attempt.failure = errors.ModelUnreachable(
                "The model's provider answered 200 with something that is no answer of the Messages API."
            )
        elif not reading.finished:
            attempt.failure = errors.ModelUnreachable("The model's answer was cut short.")

    async def _settle(self, account: Account, reservation: str, most_input: int, call: Call, attempt: Attempt) -> None:
        tokens = attempt.reading.tokens(call.max_tokens)
        usage = self._used(most_input, tokens, call, attempt)
        account.usage += usage
        if attempt.reading.finished and tokens is not None and tokens.all_input:
            account.measured = Measured(call.body, tokens.all_input)
        await self._spend.settle(reservation, usage, attempt.status, self._clock.now())
        job = account.lease and account.lease.job.id
        _log.info("model_call", job=job, status=attempt.status, usd=usage.usd, failure=attempt.failure and attempt.failure.kind)

    def _used(self, most_input: int, tokens: Tokens | None, call: Call, attempt: Attempt) -> Usage:
        # It may have been billed: of what is not known, the most that it can have been counts as spent.
        if attempt.reading.started and tokens is not None:
            usd = cost(tokens, self._prices) if tokens.all_input else worst_case(most_input, tokens.output, self._prices)
            return Usage(tokens.all_input, tokens.output, usd, 1)
        if attempt.unsent or attempt.status not in {None, 200}:
            return Usage(model_calls=1)
        return Usage(usd=worst_case(most_input, call.max_tokens, self._prices), model_calls=1)
