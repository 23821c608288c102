"""Clients that do not take their answers: what is owed to them must not keep their connections for ever."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from prreview_cli.web.endpoint import Endpoint
from prreview_cli.web.keeper import Limits
from prreview_cli.web.listener import Listener
from support.http_clients import DoorStore, StillClock, connected, delivery, post, request, until
from support.ingress import SERVER, server

SLOW = Limits(header_s=30, body_s=30, answer_s=30, idle_s=30)
ASKED = request("GET", "/nowhere", {"host": "x"})


@asynccontextmanager
async def deaf_client(limits: Limits) -> AsyncIterator[tuple[Listener, socket.socket]]:
    """A listener, and a client that has not taken some of its answers: neither the kernel nor we have room for them."""
    store, clock = DoorStore(), StillClock()
    endpoint = Endpoint(None, store.check_writable, clock)  # type: ignore[arg-type]  # no delivery is made
    async with Listener(endpoint, "127.0.0.1", 0, setting="server.port", limits=limits) as listener:
        listener._server.sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", urlsplit(listener.url).port))
            client.setblocking(False)
            await until(lambda: len(listener._state.connections) == 1)
            (door,) = listener._state.connections
            answered = 0
            while not door._wire.get_write_buffer_size():
                await asyncio.get_running_loop().sock_sendall(client, ASKED)
                answered += 1
                await until(lambda: listener._state.total_requests == answered)  # noqa: B023
            yield listener, client


async def test_an_idle_connection_ends_though_its_client_takes_nothing() -> None:
    async with deaf_client(replace(SLOW, idle_s=0.3)) as (listener, _):
        await until(lambda: not listener._state.connections)


async def test_a_connection_that_its_client_has_half_closed_ends_though_it_takes_nothing() -> None:
    async with deaf_client(replace(SLOW, idle_s=0.3)) as (listener, client):
        client.shutdown(socket.SHUT_WR)
        await until(lambda: not listener._state.connections)


async def test_headers_that_drip_end_though_their_sender_takes_nothing() -> None:
    async with deaf_client(replace(SLOW, header_s=0.3, linger_s=0.3)) as (listener, client):
        client.send(b"POST /webh")
        client.shutdown(socket.SHUT_WR)
        await until(lambda: not listener._state.connections)


@pytest.mark.parametrize("unfinished", [b"", b"POST /webh", request("POST", "/webhook/pr", {"content-length": "9"})])
async def test_whoever_must_make_room_for_others_does_so_though_it_takes_nothing(unfinished: bytes) -> None:
    async with deaf_client(replace(SLOW, connections=1, grace_s=0)) as (listener, client):
        (deaf,) = listener._state.connections
        client.send(unfinished)
        if unfinished:
            await until(lambda: deaf._in_message)
        async with connected(listener.url) as newest:
            assert (await newest.ask(ASKED)).status == 404
            await until(lambda: deaf not in listener._state.connections)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_process_that_may_open_few_files_still_answers_behind_many_that_drip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("support.ingress.SERVER", f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))\n{SERVER}")
    async with server(tmp_path) as door, AsyncExitStack() as crowd:
        host, _, port = door.url.removeprefix("http://").rpartition(":")
        for _ in range(600):  # at once: nobody is counted yet when the last one knocks
            drips = crowd.enter_context(socket.socket())
            drips.setblocking(False)
            with suppress(BlockingIOError):
                drips.connect((host, int(port)))
            with suppress(OSError):
                drips.send(b"POST /webhook/pr HTTP/1.1\r\nhost")
        assert (await post(door.url, delivery())).status == 200
    assert "Too many open files" not in (tmp_path / "stderr").read_text()
