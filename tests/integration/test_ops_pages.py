"""The operator's listener, over a real socket and the memory store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from prreview_cli.core import triggers
from prreview_cli.core.circuit import THRESHOLD, Down, Limited, Service
from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.events import Delivery
from prreview_cli.core.ports.store import Beat, Capacity, Caps
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.core.retry import Policy
from prreview_cli.core.review import Usage
from prreview_cli.store.memory import MemoryStore
from prreview_cli.telemetry.metrics import Metrics
from prreview_cli.web.listener import Listener
from prreview_cli.web.ops import Ops
from support.http_clients import Answered, StillClock, post, pull_request, request


@dataclass
class House:
    url: str
    store: MemoryStore
    clock: StillClock
    metrics: Metrics

    async def get(self, path: str, host: str = "127.0.0.1:9090") -> Answered:
        return await post(self.url, request("GET", path, {"host": host}))

    async def beat(self, calls: int = 0) -> None:
        await self.store.pools.beat(Beat("pool-1", 4711, 4, self.clock.now(), calls))

    async def accept(self, number: int, title: str = "opened") -> None:
        decision = triggers.decide(pull_request(action=title, number=number), ReviewPolicy(), (), None, datetime(2026, 11, 24, tzinfo=UTC))
        await self.store.jobs.accept(Delivery(f"d-{number}", "pull_request", title, self.clock.now()), decision, 0, self.clock.now())

    async def samples(self) -> dict[str, float]:
        text = (await self.get("/metrics")).body.decode()
        found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return {sample.name + "".join(f"{{{value}}}" for value in sample.labels.values()): sample.value for sample in found}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with _house() as house:
        yield house


@asynccontextmanager
async def _house() -> AsyncIterator[House]:
    clock = StillClock()
    store, metrics = MemoryStore(clock), Metrics()
    async with Listener(Ops(store, clock, metrics, "prod"), "127.0.0.1", 0, setting="server.ops_port") as listener:
        yield House(listener.url, store, clock, metrics)


async def test_ready_is_green_while_a_pool_beats(house: House) -> None:
    await house.beat()
    answered = await house.get("/readyz")
    assert (answered.status, answered.json) == (200, {"status": "ready", "reason": "Reviews flow."})


async def test_ready_is_red_without_a_pool_and_after_one_fell_silent(house: House) -> None:
    assert "No worker pool" in str((await house.get("/readyz")).json["reason"])
    await house.beat()
    house.clock.elapsed += 60
    assert (await house.get("/readyz")).status == 503


async def test_ready_is_red_while_a_service_is_down_but_not_for_a_limit(house: House) -> None:
    await house.beat()
    circuits, now = house.store.circuits, house.clock.now()
    await circuits.note(Service.HOST, Limited("403.", now + timedelta(seconds=60)), now)
    assert (await house.get("/readyz")).status == 200
    assert (await house.samples())["prreview_circuit_open{model}"] == 0
    for _ in range(THRESHOLD):
        await circuits.note(Service.MODEL, Down("529.", ("j00000001", 1), Policy(5, 1.0, 300.0), 0.5), now)
    answered = await house.get("/readyz")
    assert answered.status == 503
    assert "The model is down" in str(answered.json["reason"])
    assert b"The model is down" in (await house.get("/")).body
    samples = await house.samples()
    assert (samples["prreview_circuit_open{model}"], samples["prreview_circuit_open{host}"]) == (1, 0)


async def test_ready_is_red_with_the_reason_while_the_profile_is_paused(house: House) -> None:
    await house.beat()
    await house.store.switches.pause("The key was not accepted.", house.clock.now())
    answered = await house.get("/readyz")
    assert (answered.status, answered.json["status"]) == (503, "not_ready")
    assert "The key was not accepted." in str(answered.json["reason"])
    await house.store.switches.resume(house.clock.now())
    assert (await house.get("/readyz")).status == 200


async def test_ready_is_red_when_nothing_can_be_stored(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full() -> None:
        raise StoreUnusable("The disk is full.")

    await house.beat()
    monkeypatch.setattr(house.store, "check_writable", full)
    assert (await house.get("/readyz")).json["status"] == "unavailable"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "evil@127.0.0.1", "127.0.0.1:x", "[::1", "", "127.0.0.1:80:80"]
)
@pytest.mark.parametrize("path", ["/", "/readyz", "/metrics", "/nothing"])
async def test_a_foreign_host_name_is_403_on_every_path(house: House, host: str, path: str) -> None:
    assert (await house.get(path, host)).status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "LOCALHOST:9090", "[::1]", "[::1]:9090"])
async def test_our_own_names_are_answered(house: House, host: str) -> None:
    assert (await house.get("/metrics", host)).status == 200


async def test_a_missing_or_doubled_host_is_403(house: House) -> None:
    assert (await post(house.url, b"GET / HTTP/1.0\r\n\r\n")).status == 403
    assert (await post(house.url, b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: evil\r\n\r\n")).status == 403


async def test_nothing_but_get_is_answered(house: House) -> None:
    for path in ("/", "/readyz", "/metrics"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert (await post(house.url, request(method, path, {"host": "localhost", "content-length": "0"}))).status == 405


async def test_the_webhook_is_not_on_the_operators_port(house: House) -> None:
    assert (await house.get("/webhook/pr")).status == 404
    assert (await house.get("/healthz")).status == 404


async def test_metrics_say_what_the_database_says(house: House) -> None:
    for number in range(3):
        await house.accept(number)
    house.clock.elapsed += 30
    lease = await house.store.jobs.claim("pool-1", Capacity(1), 30, house.clock.now())
    assert lease is not None
    reservation = await house.store.spend.reserve(lease, 0.5, Caps(2, 10, 50), house.clock.now())
    await house.store.spend.settle(reservation, Usage(usd=0.25, model_calls=1), 200, house.clock.now())
    await house.beat(calls=3)
    await house.store.switches.pause("By hand.", house.clock.now())
    house.metrics.acknowledged("queued", 0.002)
    house.metrics.acknowledged("queued", 0.02)
    house.metrics.turned_away("too_slow")

    samples = await house.samples()
    expected = {
        "prreview_queue_depth{queued}": 2,
        "prreview_queue_depth{running}": 1,
        "prreview_queue_depth{dead}": 0,
        "prreview_reviews_in_flight": 1,
        "prreview_model_calls_in_flight": 3,
        "prreview_oldest_queued_seconds": 30,
        "prreview_paused": 1,
        "prreview_usd_total": 0.25,
        "prreview_model_requests_total{200}": 1,
        "prreview_deliveries_total{queued}": 2,
        "prreview_deliveries_total{too_slow}": 1,
        "prreview_ack_seconds_bucket{0.001}": 0,
        "prreview_ack_seconds_bucket{0.0025}": 1,
        "prreview_ack_seconds_bucket{+Inf}": 2,
        "prreview_ack_seconds_count": 2,
    }
    assert {name: samples.get(name) for name in expected} == expected
    assert samples["prreview_ack_seconds_sum"] == pytest.approx(0.022)


async def test_the_page_shows_the_queue_and_loads_nothing(house: House) -> None:
    await house.accept(7)
    await house.beat()
    answered = await house.get("/")
    shown = answered.body.decode()
    assert answered.status == 200
    assert "octo/widgets#7" in shown
    assert "pool-1" in shown
    assert answered.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert all(word not in shown for word in ("http:", "https:", "<script", "src=", "url(", "@import"))


async def test_the_page_escapes_what_strangers_wrote(house: House) -> None:
    await house.store.switches.pause('<img src=x onerror="x"> \x1b[31m \u202e', house.clock.now() - timedelta(seconds=1))
    shown = (await house.get("/")).body.decode()
    assert "<img" not in shown
    assert "&lt;img" in shown
    assert not {"\x1b", "\u202e"} & set(shown)
