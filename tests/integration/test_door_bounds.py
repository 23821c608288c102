"""The door on real sockets: what is too large, too slow or too many, and that the good ones get through."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.services.intake import Intake
from prreview_cli.web.bodies import Bodies
from prreview_cli.web.endpoint import Endpoint
from prreview_cli.web.keeper import Limits
from prreview_cli.web.listener import Listener
from support.http_clients import DoorStore, SignedReader, StillClock, connected, delivery, pass_time, post, request, until

SLOW = Limits(header_s=30, body_s=30, linger_s=0.5)
CHUNKED = {"host": "x", "transfer-encoding": "chunked"}


@asynccontextmanager
async def house(
    limits: Limits = SLOW, bodies: Bodies | None = None, store: DoorStore | None = None, refused: list[str] | None = None
) -> AsyncIterator[str]:
    store, clock = store or DoorStore(), StillClock()
    intake = Intake(SignedReader(), store, ReviewPolicy(), (), clock)
    endpoint = Endpoint(intake, store.check_writable, clock, bodies=bodies)
    turned_away = [] if refused is None else refused
    async with Listener(endpoint, "127.0.0.1", 0, setting="server.port", limits=limits, turned_away=turned_away.append) as listener:
        yield listener.url


async def test_endless_headers_are_431() -> None:
    async with house() as url, connected(url) as sender:
        await sender.send(b"POST /webhook/pr HTTP/1.1\r\nhost: x\r\n")
        answered = await sender.pour_until_answered(b"x-filler: " + b"a" * 4000 + b"\r\n")
    assert (answered.status, answered.json["status"]) == (431, "headers_too_large")


async def test_one_endless_header_is_431() -> None:
    async with house() as url, connected(url) as sender:
        await sender.send(b"GET /healthz HTTP/1.1\r\nx-filler: ")
        assert (await sender.pour_until_answered(b"a" * 4000)).status == 431


async def test_an_endless_target_is_431() -> None:
    async with house() as url, connected(url) as sender:
        await sender.send(b"GET /")
        assert (await sender.pour_until_answered(b"a" * 4000)).status == 431


async def test_large_headers_in_one_piece_are_431_and_never_reach_the_application() -> None:
    async with house() as url:
        assert (await post(url, delivery(x_filler="a" * 70_000))).status == 431
        assert (await post(url, delivery(x_filler="a" * 60_000))).status == 200


async def test_very_many_tiny_headers_are_431() -> None:
    many = {f"x-{number}": "" for number in range(200)}
    async with house() as url:
        assert (await post(url, request("GET", "/healthz", many))).status == 431


async def test_endless_trailers_are_413() -> None:
    async with house() as url, connected(url) as sender:
        await sender.send(request("POST", "/webhook/pr", CHUNKED) + b"2\r\n{}\r\n0\r\n")
        assert (await sender.pour_until_answered(b"x-filler: " + b"a" * 4000 + b"\r\n")).status == 413


async def test_endless_chunk_framing_is_413() -> None:
    async with house() as url, connected(url) as sender:
        await sender.send(request("POST", "/webhook/pr", CHUNKED))
        assert (await sender.pour_until_answered(b"1;" + b"e" * 4000 + b"\r\na\r\n")).status == 413


async def test_an_endless_chunked_body_is_413_and_its_sender_sees_it() -> None:
    async with house() as url, connected(url) as sender:
        await sender.send(request("POST", "/webhook/pr", CHUNKED))
        answered = await sender.pour_until_answered(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
    assert (answered.status, answered.json["status"]) == (413, "too_large")


async def test_a_body_announced_too_large_is_413_before_any_of_it_is_sent() -> None:
    async with house() as url, connected(url) as sender:
        answered = await sender.ask(request("POST", "/webhook/pr", {"host": "x", "content-length": "5242881"}))
    assert answered.status == 413


async def test_a_sender_that_never_looks_up_still_gets_its_413() -> None:
    body = b"a" * (25 << 20)
    async with house() as url, connected(url) as sender:
        await sender.send(request("POST", "/webhook/pr", {"host": "x", "content-length": str(len(body))}) + body)
        assert (await sender.answer()).status == 413
        assert await sender.ended() == b""


async def test_a_sender_that_asked_to_close_still_gets_its_413() -> None:
    body = b"a" * (6 << 20)
    headers = {"host": "x", "content-length": str(len(body)), "connection": "close"}
    async with house() as url, connected(url) as sender:
        await sender.send(request("POST", "/webhook/pr", headers) + body)
        assert (await sender.answer()).status == 413


async def test_a_body_of_exactly_five_mebibytes_is_taken() -> None:
    body = b'{"number": 7, "filler": "' + b"a" * ((5 << 20) - 27) + b'"}'
    assert len(body) == 5 << 20
    async with house() as url:
        assert (await post(url, delivery(body))).status == 200
        assert (await post(url, delivery(body + b" "))).status == 413


async def test_whoever_is_answered_early_is_not_listened_to_for_ever() -> None:
    async with house(replace(SLOW, linger_bytes=1 << 20)) as url, connected(url) as sender:
        await sender.send(request("POST", "/nowhere", CHUNKED))
        started = time.monotonic()
        sent = await sender.pour(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
        assert time.monotonic() - started < 8
        assert sent < 64 << 20


async def test_headers_that_drip_are_408() -> None:
    async with house(replace(SLOW, header_s=0.3)) as url, connected(url) as sender:
        await sender.send(b"POST /webhook/pr HTTP/1.1\r\nhost: x\r\n")
        answered = await sender.answer()
        assert (answered.status, answered.json["status"]) == (408, "too_slow")
        assert await sender.ended() == b""


async def test_dripping_does_not_move_the_deadline() -> None:
    async with house(replace(SLOW, header_s=0.5)) as url, connected(url) as sender:
        dripping = asyncio.create_task(_drip(sender.send, b"POST /webhook/pr HTTP/1.1\r\n" + b"x" * 1000))
        started = time.monotonic()
        assert (await sender.answer()).status == 408
        assert time.monotonic() - started < 5
        dripping.cancel()


async def test_a_connection_that_says_nothing_is_ended() -> None:
    async with house(replace(SLOW, header_s=0.2)) as url, connected(url) as sender:
        assert b"408" in await sender.ended()


async def test_a_body_that_drips_is_408() -> None:
    async with house(replace(SLOW, body_s=0.3)) as url, connected(url) as sender:
        await sender.send(delivery()[:-1])
        assert (await sender.answer()).status == 408


async def test_a_length_that_promises_too_little_is_401_and_the_rest_is_not_a_request() -> None:
    async with house() as url, connected(url) as sender:
        assert (await sender.ask(delivery(b'{"number": 7} and more', content_length="13"))).status == 401
        await sender.ended()


async def test_the_second_request_of_a_connection_has_its_own_deadline() -> None:
    async with house(replace(SLOW, header_s=0.3)) as url, connected(url) as sender:
        assert (await sender.ask(delivery())).status == 200
        await pass_time(0.4)
        assert (await sender.ask(delivery())).status == 200
        await sender.send(b"POST /webh")
        assert (await sender.answer()).status == 408


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with house(replace(SLOW, idle_s=0.2)) as url, connected(url) as sender:
        assert (await sender.ask(delivery())).status == 200
        assert await sender.ended() == b""


async def test_two_hundred_dripping_connections_do_not_delay_a_good_delivery() -> None:
    async with house(Limits(connections=100)) as url, AsyncExitStack() as crowd:
        for number in range(200):
            sender = await crowd.enter_async_context(connected(url))
            await sender.send(b"POST /webhook/pr HTTP/1.1\r\n" if number % 2 else delivery()[:-5])
        started = time.monotonic()
        assert (await post(url, delivery())).status == 200
        assert time.monotonic() - started < 1


async def test_when_there_are_too_many_the_slowest_goes_and_the_newest_stays() -> None:
    refused: list[str] = []
    async with house(replace(SLOW, connections=3, grace_s=0), refused=refused) as url, AsyncExitStack() as crowd:
        slow = await crowd.enter_async_context(connected(url))
        await slow.send(b"P")
        fast = [await crowd.enter_async_context(connected(url)) for _ in range(2)]
        for sender in fast:
            assert (await sender.ask(delivery())).status == 200
            await sender.send(delivery()[:-1])
        newest = await crowd.enter_async_context(connected(url))
        assert (await newest.ask(delivery())).status == 200
        assert (await slow.answer()).status == 503
        for sender in fast:
            assert (await sender.ask(delivery()[-1:])).status == 200
    assert refused == ["busy"]


async def test_a_burst_of_good_deliveries_beyond_the_bound_is_answered_whole() -> None:
    async with house(Limits(connections=40)) as url:
        answers = await asyncio.gather(*(post(url, delivery()) for _ in range(75)))
    assert {answered.status for answered in answers} == {200}


async def test_whoever_waits_for_an_answer_is_never_the_one_to_go() -> None:
    store = DoorStore()
    store.jobs.gate = asyncio.Event()
    async with house(replace(SLOW, connections=2, grace_s=0), store=store) as url, AsyncExitStack() as crowd:
        waiting = [await crowd.enter_async_context(connected(url)) for _ in range(2)]
        for sender in waiting:
            await sender.send(delivery())
        late = await crowd.enter_async_context(connected(url))
        assert (await late.answer()).status == 503
        store.jobs.gate.set()
        assert [(await sender.answer()).status for sender in waiting] == [200, 200]


async def test_headers_together_are_bounded() -> None:
    limits = replace(SLOW, header_bytes_together=100_000)
    async with house(limits) as url, AsyncExitStack() as crowd:
        hoarders = [await crowd.enter_async_context(connected(url)) for _ in range(3)]
        for sender in hoarders:
            await sender.send(b"POST /webhook/pr HTTP/1.1\r\nx-filler: " + b"a" * 40_000)
        answers = [asyncio.create_task(sender.answer()) for sender in hoarders]
        done, pending = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED, timeout=5)
        assert [task.result().status for task in done] == [503]
        for task in pending:
            task.cancel()
        assert (await post(url, delivery())).status == 200


async def test_unverified_bodies_together_are_bounded_and_the_slowest_goes() -> None:
    bodies = Bodies(each=1 << 20, together=1 << 20)
    large = request("POST", "/webhook/pr", {"host": "x", "content-length": "1000000"})
    async with house(bodies=bodies) as url, connected(url) as slow, connected(url) as quick:
        await slow.send(large + b"a" * 300_000)
        await quick.send(large + b"a" * 900_000)
        answered = await slow.answer()
        assert (answered.status, answered.json["status"]) == (503, "busy")
        assert (await quick.ask(b"a" * 100_000)).status == 401


async def test_a_connection_serves_one_request_after_another() -> None:
    async with house() as url, connected(url) as sender:
        statuses = [(await sender.ask(delivery())).status for _ in range(50)]
    assert statuses == [200] * 50


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with house() as url, connected(url) as sender:
        await sender.send(delivery() + delivery(x_hub_signature_256="no") + request("GET", "/healthz", {"host": "x"}) + delivery())
        assert [(await sender.answer()).status for _ in range(4)] == [200, 401, 200, 200]


async def test_too_many_pipelined_requests_end_the_connection() -> None:
    store = DoorStore()
    store.jobs.gate = asyncio.Event()
    async with house(store=store) as url, connected(url) as sender:
        await sender.send(delivery() * 100)
        store.jobs.gate.set()
        assert (await sender.ended()).count(b"HTTP/1.1 200") < 20


async def test_what_is_not_http_is_400_in_json() -> None:
    async with house() as url:
        for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET http://[ HTTP/1.1\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n"):
            assert (await post(url, nonsense)).json["status"] == "bad_request"


async def test_garbage_behind_a_good_delivery_does_not_cost_it_its_answer() -> None:
    store = DoorStore()
    store.jobs.gate = asyncio.Event()
    async with house(store=store) as url, connected(url) as sender:
        await sender.send(delivery() + b"\x00garbage\r\n\r\n")
        store.jobs.gate.set()
        assert (await sender.answer()).status == 200
        assert await sender.ended() == b""


async def test_garbage_behind_pipelined_deliveries_does_not_cost_the_one_under_way_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    store = DoorStore()
    store.jobs.gate = asyncio.Event()
    async with house(store=store) as url, connected(url) as sender:
        await sender.send(request("GET", "/nowhere", {"host": "x"}) + delivery() + request("POST", "/webhook/pr", CHUNKED))
        assert (await sender.answer()).status == 404
        await sender.send(b"no chunk\r\n")
        await pass_time(0.1)
        store.jobs.gate.set()
        assert (await sender.answer()).status == 200
        assert await sender.ended() == b""
    assert caplog.records == []


async def test_headers_that_come_behind_another_request_count_like_any() -> None:
    refused: list[str] = []
    behind = request("GET", "/nowhere", {"host": "x"}) + b"GET /nowhere HTTP/1.1\r\nx-filler: " + b"a" * 30_000
    async with house(replace(SLOW, header_bytes_together=100_000), refused=refused) as url, AsyncExitStack() as crowd:
        for _ in range(4):
            sender = await crowd.enter_async_context(connected(url))
            assert (await sender.ask(behind)).status == 404
        assert (await post(url, delivery())).status == 200
        assert refused == ["busy"]


async def test_ambiguous_framing_is_400() -> None:
    both = delivery(transfer_encoding="chunked")
    async with house() as url:
        assert (await post(url, both)).status == 400


async def test_a_trailer_does_not_become_a_header() -> None:
    body = b'{"number": 7}'
    signed = delivery(body).split(b"x-hub-signature-256: ")[1].split(b"\r\n")[0]
    chunks = b"%x\r\n%s\r\n0\r\nx-hub-signature-256: %s\r\n\r\n" % (len(body), body, signed)
    async with house() as url:
        assert (await post(url, request("POST", "/webhook/pr", CHUNKED) + chunks)).status == 401


async def test_a_chunked_delivery_is_taken() -> None:
    body = b'{"number": 7}'
    signed = delivery(body).split(b"x-hub-signature-256: ")[1].split(b"\r\n")[0].decode()
    chunks = b"".join(b"1\r\n%c\r\n" % char for char in body) + b"0\r\n\r\n"
    async with house() as url:
        headers = CHUNKED | {"x-hub-signature-256": signed, "content-type": "application/json"}
        assert (await post(url, request("POST", "/webhook/pr", headers) + chunks)).status == 200


async def test_a_sender_that_expects_to_be_told_to_continue_is() -> None:
    head, _, body = delivery(expect="100-continue").partition(b"\r\n\r\n")
    async with house() as url, connected(url) as sender:
        assert (await sender.ask(head + b"\r\n\r\n")).status == 100
        assert (await sender.ask(body)).status == 200


async def test_a_request_for_another_protocol_is_answered_and_one_with_a_body_is_not_mistaken_for_forged() -> None:
    upgrade = {"connection": "upgrade, http2-settings", "upgrade": "h2c"}
    async with house() as url:
        asked = request("GET", "/healthz", {"host": "x", **upgrade})
        assert (await post(url, asked)).status == 200
        async with connected(url) as sender:
            await sender.send(delivery() + asked)
            assert [(await sender.answer()).status for _ in range(2)] == [200, 200]
        assert (await post(url, delivery(**upgrade))).status == 400


async def test_a_sender_that_has_closed_its_side_still_gets_its_answers() -> None:
    store = DoorStore()
    store.jobs.gate = asyncio.Event()
    async with house(store=store) as url, connected(url) as sender:
        await sender.send(delivery() + delivery(x_hub_signature_256="no") + delivery())
        sender.writer.write_eof()
        await pass_time(0.1)
        store.jobs.gate.set()
        assert [(await sender.answer()).status for _ in range(3)] == [200, 401, 200]
        assert await sender.ended() == b""


async def test_a_client_that_does_not_read_its_answers_is_cut_off() -> None:
    async with house(replace(SLOW, answer_s=0.5)) as url, connected(url) as sender:
        sender.writer.transport.pause_reading()
        await sender.pour(delivery(x_hub_signature_256="no") * 10)
        sender.writer.transport.resume_reading()
        await sender.ended()


@pytest.mark.parametrize("moment", ["idle", "in the headers", "in the body"])
async def test_closing_does_not_wait_for_those_who_never_finish(moment: str) -> None:
    started = time.monotonic()
    store, clock = DoorStore(), StillClock()
    endpoint = Endpoint(Intake(SignedReader(), store, ReviewPolicy(), (), clock), store.check_writable, clock)
    listener = Listener(endpoint, "127.0.0.1", 0, setting="server.port", limits=SLOW, drain_s=0.3)
    async with AsyncExitStack() as stack:
        async with listener:
            sender = await stack.enter_async_context(connected(listener.url))
            assert (await sender.ask(delivery())).status == 200
            if moment != "idle":
                await sender.send(b"POST /" if moment == "in the headers" else delivery()[:-1])
        await sender.ended()
    assert time.monotonic() - started < 5


async def test_closing_lets_an_accepted_delivery_be_answered() -> None:
    store, clock = DoorStore(), StillClock()
    store.jobs.gate = asyncio.Event()
    endpoint = Endpoint(Intake(SignedReader(), store, ReviewPolicy(), (), clock), store.check_writable, clock)
    listener = Listener(endpoint, "127.0.0.1", 0, setting="server.port")
    await listener.__aenter__()
    async with connected(listener.url) as sender:
        await sender.send(delivery())
        await until(lambda: listener.busy == 1)
        closing = asyncio.create_task(listener.__aexit__(None, None, None))
        store.jobs.gate.set()
        assert (await sender.answer()).status == 200
        await closing


async def _drip(send: Callable[[bytes], Awaitable[None]], data: bytes) -> None:
    for number in range(len(data)):
        await send(data[number : number + 1])
        await pass_time(0.02)
