"""From the bytes of a webhook to its answer: authentic, well-formed, decided, stored; then answered.

It knows nothing of HTTP servers, so that a stored delivery can be replayed through it in any process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus

from prreview_cli.core import triggers
from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.events import Answer, Delivery, Event, PullRequestEvent, Unrelated
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.host import Signer, WebhookReader
from prreview_cli.core.ports.store import Store
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.services.rotation import WebhookKeys
from prreview_cli.telemetry import logger

LONGEST_ID = 128
LARGEST_KEPT = 1 << 20
"""Bytes of a body that is kept to be replayed: GitHub's are about 30 KB, and a stranger's text may fill the rest."""
LOGIN_FRESH_S = 60.0
REFUSALS_TOLD_EVERY_S = 1.0

log = logger("intake")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: the HTTP status, a stable name for logs and metrics, and the JSON body."""

    status: HTTPStatus
    outcome: str
    body: bytes


def constant(status: HTTPStatus, outcome: str, reason: str) -> Reply:
    """A reply that says nothing of the request; shaped like every answer."""
    return Reply(status, outcome, _body(outcome, reason, None))


def _body(status: str, reason: str, job: str | None) -> bytes:
    return json.dumps({"status": status, "reason": reason, "job": job}).encode()


FORGED = constant(HTTPStatus.UNAUTHORIZED, "forged", "The signature is missing or does not match the webhook's secret.")
FORM_ENCODED = constant(
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "form_encoded",
    "The body is form-encoded: set the webhook's content type to application/json in the repository's settings.",
)
MALFORMED = constant(HTTPStatus.BAD_REQUEST, "malformed", "The body is not JSON.")
UNAVAILABLE = constant(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "The delivery could not be stored and was not accepted.")


class Intake:
    """Receives deliveries. What it answers 200 to is on the disk.

    `own_login` is the profile's `host.login`; where it is None, what the workers learnt from the host counts.
    `keys` are the reader's, where they may be rotated while we run.
    """

    def __init__(
        self,
        reader: WebhookReader,
        store: Store,
        policy: ReviewPolicy,
        repositories: tuple[str, ...],
        clock: Clock,
        *,
        own_login: str | None = None,
        keys: WebhookKeys | None = None,
    ) -> None:
        self._reader = reader
        self._store = store
        self._policy = policy
        self._repositories = repositories
        self._clock = clock
        self._login = own_login
        self._login_until = float("inf") if own_login is not None else float("-inf")
        self._keys = keys
        self._refusals = 0
        self._refusals_told = float("-inf")

    async def receive(self, body: bytes, headers: Mapping[bytes, bytes]) -> Reply:
        """Answer one delivery; header names are lower-case. Nothing is parsed before its signature holds."""
        signer = await self.verify(body, headers)
        return await self.take(body, headers, signer) if signer else FORGED

    async def verify(self, body: bytes | memoryview, headers: Mapping[bytes, bytes]) -> Signer | None:
        """Whose signature the raw body bears, None if none that counts; the answer then is FORGED."""
        signer = self._reader.authentic(body, headers)
        if self._keys is not None and await self._keys.look(signer):
            signer = self._reader.authentic(body, headers)
        if not signer:
            self._refused(FORGED)
        return signer

    async def take(self, body: bytes, headers: Mapping[bytes, bytes], signer: Signer) -> Reply:
        """Answer a delivery that `verify` found authentic."""
        if headers.get(b"content-type", b"").lower().startswith(b"application/x-www-form-urlencoded"):
            return self._refused(FORM_ENCODED)
        try:
            event = self._reader.read(body, headers)
        except ValueError:
            return self._refused(MALFORMED)
        try:
            reply = await self._accept(event, body, headers)
        except StoreUnusable as trouble:
            log.error("delivery_not_stored", delivery=self._reader.delivery_id(headers)[:LONGEST_ID], reason=str(trouble))
            return UNAVAILABLE
        await self._note(signer)
        return reply

    async def _note(self, signer: Signer) -> None:
        """What cannot be noted is noted another time: the delivery is accepted already."""
        with suppress(StoreUnusable):
            if self._keys is not None:
                await self._keys.verified(signer)

    async def _accept(self, event: Event, body: bytes, headers: Mapping[bytes, bytes]) -> Reply:
        delivery = self._describe(event, headers)
        if isinstance(event, PullRequestEvent) and len(body) <= LARGEST_KEPT:
            delivery = replace(delivery, body=body)
        decision = triggers.decide(event, self._policy, self._repositories, await self._own_login(), delivery.received)
        answer = await self._store.jobs.accept(delivery, decision, self._policy.min_interval_s, delivery.received)
        _tell(delivery, answer)
        return Reply(HTTPStatus.OK, answer.status.value, _body(answer.status.value, answer.reason, answer.job))

    def _describe(self, event: Event, headers: Mapping[bytes, bytes]) -> Delivery:
        id_, name = self._reader.delivery_id(headers)[:LONGEST_ID], self._reader.event_name(headers)[:LONGEST_ID]
        match event:
            case PullRequestEvent():
                about = event.repository_id, event.repository, event.number, event.head_sha
                return Delivery(id_, name, event.action, self._clock.now(), *about)
            case Unrelated(action=action):
                return Delivery(id_, name, action, self._clock.now())
        return Delivery(id_, name, None, self._clock.now())

    async def _own_login(self) -> str | None:
        # The workers may learn it at any time, and a new token may have another: look again once a minute,
        # and at every delivery while it is unknown.
        if self._clock.monotonic() >= self._login_until:
            self._login = await self._store.switches.own_login()
            if self._login is not None:
                self._login_until = self._clock.monotonic() + LOGIN_FRESH_S
        return self._login

    def _refused(self, reply: Reply) -> Reply:
        # Anybody can be refused as often as they like, so the log tells of it once a second, with the count.
        self._refusals += 1
        now = self._clock.monotonic()
        if now - self._refusals_told >= REFUSALS_TOLD_EVERY_S:
            log.warning("delivery_refused", outcome=reply.outcome, count=self._refusals)
            self._refusals, self._refusals_told = 0, now
        return reply


def _tell(delivery: Delivery, answer: Answer) -> None:
    log.info(
        "delivery",
        delivery=delivery.id,
        name=delivery.event,
        action=delivery.action,
        repository=delivery.repository,
        number=delivery.number,
        head_sha=delivery.head_sha,
        status=answer.status.value,
        reason=answer.reason,
        job=answer.job,
    )
