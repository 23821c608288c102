"""Delivering a webhook again: what is sent, how often, and what each answer comes to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from prreview_cli.core.errors import UsageError
from prreview_cli.core.events import Review
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.hosts.github.webhook import GitHubWebhook
from prreview_cli.secrecy import Secret
from prreview_cli.services.intake import LARGEST_KEPT, Intake
from prreview_cli.services.replay import AT_ONCE, Parcel, Result, replay, stored, through
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock, settled
from support.http_clients import DoorStore, SignedReader, StillClock, signature
from support.stores import NOON, Bench, delivery, target

PARCEL = Parcel("d-1", "pull_request", b'{"number": 7}')
CURRENT, PREVIOUS = Secret("current-" + "c" * 32), Secret("previous-" + "p" * 32)
DIALECT = GitHubWebhook(lambda: (CURRENT, PREVIOUS))


def answering(status: int | None, body: bytes = b'{"status": "queued", "reason": "Well.", "job": "j00000001"}'):
    async def post(_: bytes, __: Mapping[bytes, bytes]) -> tuple[int | None, bytes]:
        return status, body

    return post


async def one(post) -> Result:
    (result,) = await replay(PARCEL, 1, DIALECT, post, concurrent=False)
    return result


async def test_it_is_signed_afresh_with_the_current_secret_alone() -> None:
    sent: list[tuple[bytes, Mapping[bytes, bytes]]] = []

    async def post(body: bytes, headers: Mapping[bytes, bytes]) -> tuple[int, bytes]:
        sent.append((body, headers))
        return 200, b"{}"

    await replay(PARCEL, 1, DIALECT, post, concurrent=False)

    ((body, headers),) = sent
    assert body == PARCEL.body
    assert (headers[b"x-github-delivery"], headers[b"x-github-event"]) == (b"d-1", b"pull_request")
    assert GitHubWebhook(lambda: [CURRENT]).authentic(body, headers)
    assert not GitHubWebhook(lambda: [PREVIOUS]).authentic(body, headers)


@pytest.mark.parametrize(("concurrent", "together"), [(False, 1), (True, AT_ONCE)])
async def test_it_is_sent_so_often_and_never_more_at_once_than_it_may(concurrent: bool, together: int) -> None:
    flying, most = 0, 0

    async def post(_: bytes, __: Mapping[bytes, bytes]) -> tuple[int, bytes]:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        for _turn in range(3):
            await settled(1)
        flying -= 1
        return 200, b'{"status": "duplicate", "reason": "Known.", "job": null}'

    results = await replay(PARCEL, AT_ONCE + 10, DIALECT, post, concurrent=concurrent)

    assert (len(results), most) == (AT_ONCE + 10, together)
    assert {(each.status, each.outcome, each.job) for each in results} == {(200, "duplicate", None)}


@pytest.mark.parametrize(
    ("status", "code"),
    [(200, 0), (202, 2), (302, 2), (400, 2), (401, 4), (403, 4), (404, 2), (408, 3), (413, 2), (415, 2), (429, 3), (500, 3), (503, 3)],
)
async def test_each_status_has_its_exit_code(status: int, code: int) -> None:
    assert (await one(answering(status))).exit_code == code


async def test_no_answer_is_worth_another_try() -> None:
    result = await one(answering(None, b"No answer came."))
    assert (result.status, result.outcome, result.reason, result.exit_code) == (None, "unreachable", "No answer came.", 3)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"status": "queued"}', b"\xff"])
async def test_an_answer_that_is_not_ours_is_not_read_as_one(body: bytes) -> None:
    result = await one(answering(200, body))
    assert (result.outcome, result.job) == ("unknown", None)


async def test_without_a_server_it_goes_through_the_intake() -> None:
    reader, store = SignedReader(), DoorStore()
    intake = Intake(reader, store, ReviewPolicy(), (), StillClock())
    post = through(intake)
    status, body = await post(PARCEL.body, {b"x-hub-signature-256": signature(PARCEL.body), b"x-github-event": b"pull_request"})
    assert (status, json.loads(body)["status"]) == (200, "queued")
    assert (await post(PARCEL.body, {b"x-hub-signature-256": b"forged"}))[0] == 401


async def test_the_intake_hands_on_the_body_of_a_pull_request_event_of_a_usual_size_and_no_other() -> None:
    store = DoorStore()
    intake = Intake(SignedReader(), store, ReviewPolicy(), (), StillClock())
    large = json.dumps({"number": 7, "title": "x" * LARGEST_KEPT}).encode()
    for body in (b'{"number": 7}', b'{"zen": "Speak."}', b'{"action": "x"}', large):
        assert (await intake.receive(body, {b"x-hub-signature-256": signature(body)})).status == 200
    assert [made.body for made, _ in store.jobs.accepted] == [b'{"number": 7}', None, None, None]


async def test_a_stored_delivery_is_found_by_its_id_or_refused_with_a_remedy() -> None:
    clock = FakeClock()
    at = Bench(MemoryStore(clock), clock)
    await at.push("a")
    with pytest.raises(UsageError, match="body was not kept"):
        await stored(at.store, "d-1")
    decision = Review(target("b"))
    await at.jobs.accept(replace(delivery(decision, NOON, "d-2"), body=b"{}"), decision, 0.0, NOON)
    assert await stored(at.store, "d-2") == Parcel("d-2", "pull_request", b"{}")
    with pytest.raises(UsageError, match="no stored delivery"):
        await stored(at.store, "d-3")
