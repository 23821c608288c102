"""What strangers send does not pile up: a real server process under an unauthenticated flood."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from support.http_clients import connected, delivery, pass_time, post, request
from support.ingress import server

MIB = 1 << 20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.parametrize(("senders", "size"), [(20, 4 * MIB), (390, 30_000), (390, 100_000)])
async def test_a_flood_of_bodies_grows_memory_by_what_they_share_and_little_more(tmp_path: Path, senders: int, size: int) -> None:
    head = request("POST", "/webhook/pr", {"host": "x", "content-length": str(size + 1)})
    async with server(tmp_path) as door, AsyncExitStack() as crowd:
        before = door.peak()
        sending = []
        for _ in range(senders):
            sending.append(await crowd.enter_async_context(connected(door.url)))
            await sending[-1].send(head + b"a" * size)
        for last in (b"", b"a"):  # all incomplete; then all of them end, forged
            for sender in sending:
                sender.writer.write(last)
            for _ in range(5):
                await pass_time(0.02)
                assert (await post(door.url, delivery())).status == 200
        assert door.peak() - before < 26 * MIB


async def test_two_hundred_senders_that_drip_grow_memory_by_less_than_twenty_mebibytes(tmp_path: Path) -> None:
    head = request("POST", "/webhook/pr", {"host": "x", "content-length": "60000"})
    async with server(tmp_path) as door, AsyncExitStack() as crowd:
        before = door.peak()
        dripping = [await crowd.enter_async_context(connected(door.url)) for _ in range(200)]
        for piece in (head, *([b"a" * 500] * 10)):
            for sender in dripping:
                await sender.send(piece)
            assert (await post(door.url, delivery())).status == 200
        assert door.peak() - before < 20 * MIB


async def test_a_sender_that_hangs_up_while_it_is_refused_leaves_no_traceback(tmp_path: Path) -> None:
    async with server(tmp_path) as door:
        for _ in range(200):
            async with connected(door.url) as sender:
                sender.writer.write(request("POST", "/webhook/pr", {"host": "x", "content-length": "9999999"}) + b"a" * 200_000)
                sender.writer.transport.abort()
        assert (await post(door.url, delivery())).status == 200


async def test_a_flood_of_endless_headers_grows_memory_by_less_than_twenty_mebibytes(tmp_path: Path) -> None:
    async with server(tmp_path) as door, AsyncExitStack() as crowd:
        before = door.peak()
        for number in range(450):
            sender = await crowd.enter_async_context(connected(door.url))
            tiny = b"".join(b"%d: a\r\n" % header for header in range(9000 if number % 2 else 100))
            await sender.send(b"POST /webhook/pr HTTP/1.1\r\n" + tiny + b"x: " + b"a" * 60_000)
        assert (await post(door.url, delivery())).status == 200
        assert door.peak() - before < 20 * MIB


async def test_forged_deliveries_leave_nothing_behind(tmp_path: Path) -> None:
    forged = delivery(b'{"number": 7, "filler": "' + b"a" * 200_000 + b'"}', x_hub_signature_256="no")
    async with server(tmp_path) as door, connected(door.url) as sender:
        before = door.peak()
        for _ in range(500):
            assert (await sender.ask(forged)).status == 401
        assert door.peak() - before < 20 * MIB
