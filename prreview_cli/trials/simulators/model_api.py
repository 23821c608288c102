"""A stand-in for the model's provider on loopback: `POST /v1/messages`, answered by a script."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from prreview_cli.core.ports.clock import Clock
from prreview_cli.trials.simulators import anthropic_stream
from prreview_cli.trials.simulators.behaviours import key_rejected, reviewer
from prreview_cli.trials.simulators.conversation import Conversation, CutShort, Garbage, Refusal, Reply, Script, Turn
from prreview_cli.trials.simulators.http import Cut, Request, Response, json_response
from prreview_cli.trials.simulators.loopback import Loopback, Watch
from prreview_cli.trials.simulators.moments import Moment, Observer, What, unobserved

_OF_PULL = re.compile(r"examples/example_(\d+)\.py")
Naming = Callable[[Conversation], str | None]


def pull_number(asked: Conversation) -> str | None:
    """The pull request of the small project that a conversation is about, by the file that only it has."""
    found = _OF_PULL.search(asked.text())
    return None if found is None else found[1]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came in. `at` is monotonic; `review` is what `naming` made of it."""

    at: float
    review: str | None
    key: str
    conversation: Conversation
    headers: dict[str, str]


@dataclass(slots=True)
class ModelApi:
    """Use it as a context manager, sync or async. `script` and `keys` may be changed at any time.

    `rejection` answers every other key. Each request is kept in `requests`, unless `remember` says no: a large trial would fill the memory.
    `in_flight` and `peak_in_flight` count the requests that are being answered; one whose client
    hung up counts no more.
    """

    clock: Clock
    key: str
    script: Script = field(default_factory=reviewer)
    naming: Naming = pull_number
    observer: Observer = unobserved
    remember: bool = True
    requests: list[Asked] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    rejection: Reply = field(default_factory=key_rejected)
    in_flight: int = 0
    peak_in_flight: int = 0
    watch: Watch = field(default_factory=Watch)
    _server: Loopback = field(init=False)

    def __post_init__(self) -> None:
        self.keys.add(self.key)
        self._server = Loopback(self._handle, "model-api")

    @property
    def url(self) -> str:
        """For `model.base_url`."""
        return self._server.url

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.stop()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)

    def revoke_key(self) -> None:
        """From now on every key is rejected."""
        self.keys.clear()

    def restore_key(self) -> None:
        """The first key works again."""
        self.keys.add(self.key)

    async def _handle(self, request: Request) -> Response:
        if (request.method, request.path) != ("POST", "/v1/messages"):
            self.elsewhere.append(f"{request.method} {request.path}")
            return _refused(Refusal(404, "not_found_error", "Not found"))
        body = _object(request.body)
        if body is None:
            return _refused(Refusal(400, "invalid_request_error", "The request body is not valid JSON."))
        asked = Asked(self.clock.monotonic(), self.naming(Conversation(body)), _key(request), Conversation(body), dict(request.headers))
        if self.remember:
            self.requests.append(asked)
        self.watch.notify()
        # The script runs before the answer begins, in the order of the requests.
        reply = self.script(asked.conversation) if asked.key in self.keys else self.rejection
        if isinstance(reply, Turn | CutShort) and body.get("stream"):
            return Response(
                200, self._stream(asked, reply), {"content-type": "text/event-stream; charset=utf-8", "request-id": _request_id(asked)}
            )
        with self._counted(asked):
            return await self._whole(asked, reply)

    async def _whole(self, asked: Asked, reply: Reply) -> Response:
        match reply:
            case Turn():
                await self._think(reply)
                return json_response(anthropic_stream.message(reply, asked.conversation), headers={"request-id": _request_id(asked)})
            case CutShort():
                raise Cut
            case Garbage(body):
                return Response(200, body, {"content-type": "text/html"})
            case Refusal():
                return _refused(reply)

    async def _stream(self, asked: Asked, reply: Turn | CutShort) -> AsyncIterator[bytes]:
        turn, limit = (reply, None) if isinstance(reply, Turn) else (reply.turn, reply.after_events)
        with self._counted(asked):
            await self._think(turn)
            for number, event in enumerate(anthropic_stream.events(turn, asked.conversation)):
                if number == limit:
                    raise Cut
                yield event

    async def _think(self, turn: Turn) -> None:
        await self.clock.sleep(turn.wait_s)
        if turn.gate is not None:
            await turn.gate.pass_through()

    @contextmanager
    def _counted(self, asked: Asked) -> Any:
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        self._observe(asked, What.MODEL_ASKED)
        self.watch.notify()
        try:
            yield
        finally:
            self.in_flight -= 1
            self._observe(asked, What.ANSWERED)
            self.watch.notify()

    def _observe(self, asked: Asked, what: What) -> None:
        if asked.review is not None:
            self.observer(Moment(self.clock.monotonic(), asked.review, what))


def _refused(refusal: Refusal) -> Response:
    error = {"type": "error", "error": {"type": refusal.kind, "message": refusal.message}, "request_id": "req_refused"}
    return json_response(error, refusal.status, {"request-id": "req_refused", **refusal.headers})


def _key(request: Request) -> str:
    bearer = request.headers.get("authorization", "")
    return request.headers.get("x-api-key") or bearer.removeprefix("Bearer ")


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(body)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _request_id(asked: Asked) -> str:
    return f"req_{int(asked.at * 1e6):024d}"
