"""What a delivery is answered, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.services.intake import Intake
from prreview_cli.telemetry.metrics import Metrics
from prreview_cli.web.endpoint import Endpoint
from prreview_cli.web.listener import Listener
from support.http_clients import DoorStore, SignedReader, StillClock, connected, delivery, post, request, signature


class House:
    def __init__(self) -> None:
        self.reader, self.store, self.clock, self.metrics = SignedReader(), DoorStore(), StillClock(), Metrics()
        self.intake = Intake(self.reader, self.store, ReviewPolicy(), (), self.clock)
        self.url = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[House]:
        endpoint = Endpoint(self.intake, self.store.check_writable, self.clock, tally=self.metrics)
        async with Listener(endpoint, "127.0.0.1", 0, setting="server.port") as listener:
            self.url = listener.url
            yield self


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with House().open() as house:
        yield house


async def test_a_signed_delivery_is_answered_with_status_reason_and_job(house: House) -> None:
    answered = await post(house.url, delivery())
    assert answered.status == 200
    assert answered.json == {"status": "queued", "reason": "The review is queued.", "job": "job-1"}
    assert answered.headers["content-type"] == "application/json"
    assert [record.id for record, _ in house.store.jobs.accepted] == ["d-1"]


@pytest.mark.parametrize(
    "headers",
    [
        {"x_hub_signature_256": "sha256=" + "0" * 64},
        {"x_hub_signature_256": "", "x_hub_signature": "sha1=2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"},
        {"x_hub_signature_256": "é"},
    ],
    ids=["forged", "sha1 alone", "not ascii"],
)
async def test_what_is_not_signed_is_401_unparsed_and_unstored(house: House, headers: dict[str, str]) -> None:
    answered = await post(house.url, delivery(**headers))
    assert (answered.status, answered.json["status"]) == (401, "forged")
    assert house.reader.read_calls == 0
    assert house.store.jobs.accepted == []


async def test_bytes_above_ascii_in_the_signature_are_401(house: House) -> None:
    raw = delivery().replace(signature(b'{"number": 7}'), b"\xc3\xa9\xff")
    assert (await post(house.url, raw)).status == 401


async def test_a_form_encoded_delivery_is_told_which_setting_to_change(house: House) -> None:
    answered = await post(house.url, delivery(b"payload=%7B%7D", content_type="application/x-www-form-urlencoded"))
    assert answered.status == 415
    assert "content type to application/json" in str(answered.json["reason"])
    assert house.reader.read_calls == 0


async def test_a_signed_body_that_is_not_json_is_400_and_the_next_delivery_works(house: House) -> None:
    async with connected(house.url) as sender:
        assert (await sender.ask(delivery(b"{"))).status == 400
        assert (await sender.ask(delivery())).status == 200


async def test_a_delivery_that_cannot_be_stored_is_503(house: House) -> None:
    house.store.jobs.trouble = StoreUnusable("The disk is full.")
    answered = await post(house.url, delivery())
    assert answered.status == 503
    assert b"disk" not in answered.body


async def test_a_batch_that_fails_answers_503_to_each_of_its_members(house: House) -> None:
    house.store.jobs.gate, house.store.jobs.trouble = asyncio.Event(), StoreUnusable("The disk is full.")
    asked = [asyncio.create_task(post(house.url, delivery(x_github_delivery=f"d-{number}"))) for number in range(20)]
    house.store.jobs.gate.set()
    assert {answered.status for answered in await asyncio.gather(*asked)} == {503}
    assert house.store.jobs.accepted == []


async def test_a_fault_of_our_own_is_500_and_says_nothing_of_itself(house: House) -> None:
    house.store.jobs.trouble = RuntimeError("secret detail")  # type: ignore[assignment]
    answered = await post(house.url, delivery())
    assert (answered.status, answered.json["status"]) == (500, "failed")
    assert b"detail" not in answered.body


async def test_the_public_port_has_two_routes_and_no_more(house: House) -> None:
    for path in ("/", "/metrics", "/readyz", "/docs", "/openapi.json", "/webhook", "/webhook/pr/", "/webhook/pr%00", "/healthz/"):
        assert (await post(house.url, request("GET", path, {"host": "x"}))).status == 404, path
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
        answered = await post(house.url, request(method, "/webhook/pr", {"host": "x"}))
        assert (answered.status, answered.headers["allow"]) == (405, "POST"), method
    answered = await post(house.url, request("POST", "/healthz", {"host": "x", "content-length": "0"}))
    assert (answered.status, answered.headers["allow"]) == (405, "GET")


async def test_health_says_whether_deliveries_can_be_stored(house: House) -> None:
    health = request("GET", "/healthz", {"host": "x"})
    answered = await post(house.url, health)
    assert (answered.status, answered.json["status"]) == (200, "ok")
    house.store.unwritable = StoreUnusable("The disk is full.")
    house.clock.elapsed += 1
    answered = await post(house.url, health)
    assert (answered.status, answered.json["status"]) == (503, "unavailable")
    assert b"disk" not in answered.body


async def test_a_flood_of_health_checks_looks_at_the_database_once(house: House) -> None:
    asked = [post(house.url, request("GET", "/healthz", {"host": "x"})) for _ in range(30)]
    assert {answered.status for answered in await asyncio.gather(*asked)} == {200}
    assert house.store.checks == 1


async def test_each_outcome_is_counted(house: House) -> None:
    for data in (delivery(), delivery(), delivery(x_hub_signature_256="no"), delivery(b'{"zen": "Keep it simple."}')):
        await post(house.url, data)
    assert house.metrics.deliveries() == {"queued": 2, "forged": 1, "ignored": 1}
