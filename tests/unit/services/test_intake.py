"""What a delivery becomes, without a server."""

from __future__ import annotations

import json
import logging

import pytest

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.events import Cancel, Ignore, Review
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.services.intake import LONGEST_ID, Intake, Reply
from support.http_clients import DoorStore, SignedReader, StillClock, pull_request, signature

BODY = b'{"number": 7}'


class Case:
    def __init__(self, repositories: tuple[str, ...] = (), own_login: str | None = None) -> None:
        self.reader, self.store, self.clock = SignedReader(), DoorStore(), StillClock()
        self.intake = Intake(self.reader, self.store, ReviewPolicy(), repositories, self.clock, own_login=own_login)

    async def receive(self, body: bytes = BODY, **headers: bytes) -> Reply:
        fields = {b"x-hub-signature-256": signature(body), b"x-github-delivery": b"d-1", b"x-github-event": b"pull_request"}
        return await self.intake.receive(body, fields | {name.replace("_", "-").encode(): value for name, value in headers.items()})


async def test_an_accepted_delivery_names_status_reason_and_job() -> None:
    reply = await Case().receive()
    assert (reply.status, reply.outcome) == (200, "queued")
    assert json.loads(reply.body) == {"status": "queued", "reason": "The review is queued.", "job": "job-1"}


async def test_the_stored_delivery_says_what_it_was_about() -> None:
    case = Case()
    await case.receive()
    ((delivery, decision),) = case.store.jobs.accepted
    assert (delivery.id, delivery.event, delivery.action, delivery.received) == ("d-1", "pull_request", "opened", case.clock.now())
    assert (delivery.repository, delivery.number) == ("octo/widgets", 7)
    assert isinstance(decision, Review)


async def test_forged_comes_before_everything_else() -> None:
    case = Case()
    case.store.jobs.trouble = StoreUnusable("The disk is full.")
    reply = await case.receive(b"payload=", content_type=b"application/x-www-form-urlencoded", x_hub_signature_256=b"no")
    assert reply.status == 401
    assert case.reader.read_calls == 0


async def test_form_encoded_comes_before_not_json() -> None:
    case = Case()
    reply = await case.receive(b"payload=%7B", content_type=b"Application/X-WWW-Form-URLencoded; charset=utf-8")
    assert reply.status == 415
    assert case.reader.read_calls == 0


async def test_what_cannot_be_decoded_is_400_and_not_stored() -> None:
    case = Case()
    assert (await case.receive(b"{")).status == 400
    assert case.store.jobs.accepted == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b'{"zen": "x"}', "The ping was received; the webhook works."), (b'{"action": "x"}', "The event has no pull request.")],
)
async def test_what_asks_for_nothing_is_stored_as_ignored_with_its_reason(body: bytes, reason: str) -> None:
    case = Case()
    reply = await case.receive(body)
    assert json.loads(reply.body) == {"status": "ignored", "reason": reason, "job": None}
    ((_, decision),) = case.store.jobs.accepted
    assert decision == Ignore(reason)


async def test_a_closed_pull_request_is_a_cancellation() -> None:
    case = Case()
    await case.receive(b'{"number": 7, "action": "closed"}')
    assert isinstance(case.store.jobs.accepted[0][1], Cancel)


async def test_a_repository_outside_the_profile_is_ignored() -> None:
    assert (await Case(repositories=("other/*",)).receive()).outcome == "ignored"
    assert (await Case(repositories=("octo/*",)).receive()).outcome == "queued"


async def test_what_cannot_be_stored_is_503_with_a_constant_body() -> None:
    case = Case()
    case.store.jobs.trouble = StoreUnusable("The disk is full.")
    reply = await case.receive()
    assert reply.status == 503
    assert b"disk" not in reply.body


async def test_a_fault_is_not_swallowed() -> None:
    case = Case()
    case.store.jobs.trouble = KeyError("x")  # type: ignore[assignment]
    with pytest.raises(KeyError):
        await case.receive()


async def test_our_own_doing_is_ignored_as_the_profile_or_the_workers_name_us() -> None:
    assert (await Case(own_login="Alice").receive()).outcome == "ignored"
    case = Case()
    assert (await case.receive()).outcome == "queued"
    case.store.switches.login = "alice"
    assert (await case.receive()).outcome == "ignored"
    assert pull_request().sender == "alice"


async def test_a_known_login_is_looked_up_again_only_after_a_while() -> None:
    case = Case()
    case.store.switches.login = "bot"
    for _ in range(5):
        await case.receive()
    assert case.store.switches.asked == 1
    case.clock.elapsed += 61
    case.store.switches.login = "alice"
    assert (await case.receive()).outcome == "ignored"
    assert case.store.switches.asked == 2


async def test_overlong_ids_and_names_are_cut() -> None:
    case = Case()
    await case.receive(x_github_delivery=b"d" * 9000, x_github_event=b"e" * 9000)
    ((delivery, _),) = case.store.jobs.accepted
    assert (len(delivery.id), len(delivery.event)) == (LONGEST_ID, LONGEST_ID)


async def test_a_delivery_is_told_once_without_its_payload(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "prreview.intake"):
        await Case().receive(b'{"number": 7, "title": "canary"}')
    (record,) = caplog.records
    assert record.message == "delivery"
    assert record.__dict__["fields"]["job"] == "job-1"
    assert "canary" not in str(record.__dict__)


async def test_a_flood_of_forgeries_is_told_once_a_second_with_its_count(caplog: pytest.LogCaptureFixture) -> None:
    case = Case()
    for _ in range(100):
        await case.receive(x_hub_signature_256=b"no")
    case.clock.elapsed += 2
    await case.receive(x_hub_signature_256=b"no")
    assert [record.__dict__["fields"]["count"] for record in caplog.records] == [1, 100]
