"""Delivering a webhook once more, or many times: signed afresh, and each answer told.

A replayed delivery keeps the host's id, as the host's own redelivery does, so `why` shows both under one name.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from prreview_cli.core.errors import ExitCode, UsageError
from prreview_cli.core.ports.host import WebhookReader
from prreview_cli.core.ports.store import Store
from prreview_cli.services.intake import Intake

AT_ONCE = 50
"""Deliveries in flight with `concurrent`; a server has a place for each of them."""

Post = Callable[[bytes, Mapping[bytes, bytes]], Awaitable[tuple[int | None, bytes]]]
"""Delivers body and headers: the HTTP status and the answer's body, or None and a sentence if no answer came."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is delivered: the host's id of it, the event's name, and the raw body."""

    delivery: str
    event: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What one delivery became. `status` is the HTTP status (None: no answer came); `outcome` the answer's word, such
    as queued, duplicate or forged."""

    delivery: str
    status: int | None
    outcome: str
    reason: str
    job: str | None = None

    @property
    def exit_code(self) -> ExitCode:
        """How a command ends for which this is the only result."""
        match self.status:
            case 200:
                return ExitCode.DONE
            case 401 | 403:
                return ExitCode.FORBIDDEN
            case None | 408 | 429:
                return ExitCode.TRANSIENT
            case status if status >= 500:
                return ExitCode.TRANSIENT
        return ExitCode.USAGE


async def stored(store: Store, id_: str) -> Parcel:
    """The newest delivery of this id; UsageError if there is none, or if its body was not kept."""
    delivery = await store.jobs.delivery(id_)
    if delivery is None:
        raise UsageError(
            "There is no stored delivery of that id, and no file of that name.",
            remedy="`prreview why OWNER/REPO#N` names the deliveries of a pull request; a file is named by its path.",
        )
    if delivery.body is None:
        raise UsageError(
            "That delivery is known, but its body was not kept.",
            remedy="Only pull_request events of up to 1 MiB are kept. Have the host deliver it again, or run `prreview enqueue`.",
        )
    return Parcel(delivery.id, delivery.event, delivery.body)


async def replay(parcel: Parcel, times: int, dialect: WebhookReader, post: Post, *, concurrent: bool) -> list[Result]:
    """Deliver it so many times, one after the other or up to `AT_ONCE` together; the results in the order of sending."""
    headers = dialect.signed(parcel.body, parcel.event, parcel.delivery)
    room = asyncio.Semaphore(AT_ONCE if concurrent else 1)

    async def one() -> Result:
        async with room:
            return _result(parcel.delivery, *await post(parcel.body, headers))

    async with asyncio.TaskGroup() as group:
        sent = [group.create_task(one()) for _ in range(times)]
    return [task.result() for task in sent]


def through(intake: Intake) -> Post:
    """Delivery without a server, straight to the intake."""

    async def post(body: bytes, headers: Mapping[bytes, bytes]) -> tuple[int | None, bytes]:
        reply = await intake.receive(body, headers)
        return int(reply.status), reply.body

    return post


def _result(delivery: str, status: int | None, body: bytes) -> Result:
    """The answer's own words, or, of something that does not speak as we do, the status alone."""
    if status is None:
        return Result(delivery, None, "unreachable", body.decode(errors="replace"))
    try:
        answer = json.loads(body)
        outcome, reason, job = str(answer["status"]), str(answer["reason"]), answer.get("job")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Result(delivery, status, "unknown", "The answer is not one of prreview's.")
    return Result(delivery, status, outcome, reason, None if job is None else str(job))
