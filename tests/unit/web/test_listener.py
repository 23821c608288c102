"""A port that cannot be had is a sentence; one that can is told as it is."""

from __future__ import annotations

import resource
import socket

import pytest

from prreview_cli.core.errors import UsageError
from prreview_cli.services.intake import Reply
from prreview_cli.web.asgi import Receive, Scope, Send, answer
from prreview_cli.web.keeper import Limits
from prreview_cli.web.listener import Listener, _within_files
from prreview_cli.web.replies import HEALTHY
from support.http_clients import connected, post, request


async def app(scope: Scope, receive: Receive, send: Send, reply: Reply = HEALTHY) -> None:
    await answer(send, reply)


def listener(host: str = "127.0.0.1", port: int = 0) -> Listener:
    return Listener(app, host, port, setting="server.port")


async def test_port_zero_takes_a_free_one_and_says_which() -> None:
    async with listener() as one, listener() as other:
        assert one.url != other.url
        assert (await post(one.url, request("GET", "/", {"host": "x"}))).status == 200


async def test_a_taken_port_is_said_with_its_remedy() -> None:
    async with listener() as one:
        port = int(one.url.rpartition(":")[2])
        with pytest.raises(UsageError, match=f"Port {port} on 127.0.0.1 cannot be used: it is taken by another program") as refused:
            await listener(port=port).__aenter__()
    assert refused.value.remedy == "Stop the other program, or choose another server.port; 0 takes a free one."


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
async def test_a_host_that_is_not_ours_is_said(host: str) -> None:
    with pytest.raises(UsageError, match=f"Port 0 on {host} cannot be used"):
        await listener(host=host).__aenter__()


async def test_a_closed_listener_gives_its_port_back() -> None:
    async with listener() as one:
        await post(one.url, request("GET", "/", {"host": "x"}))
    async with listener(port=int(one.url.rpartition(":")[2])) as again:
        assert again.url == one.url


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_an_ipv6_address_stands_in_brackets() -> None:
    try:
        async with listener(host="::1") as one:
            assert one.url.startswith("http://[::1]:")
            assert (await post(one.url, request("GET", "/", {"host": "x"}))).status == 200
    except UsageError:
        pytest.skip("no IPv6 here")


async def test_answers_do_not_wait_for_the_other_side_to_acknowledge() -> None:
    async with listener() as one, connected(one.url) as sender:
        await sender.ask(request("GET", "/", {"host": "x"}))
        (door,) = one._state.connections
        wire = door.transport.get_extra_info("socket")
        assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.parametrize(
    ("allowed", "taken", "connections"),
    [
        ((1024, 4096), None, 400),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None, 400),
        ((256, resource.RLIM_INFINITY), (864, resource.RLIM_INFINITY), 400),
        ((256, 4096), (864, 4096), 400),
        ((256, 264), (264, 264), 100),
        ((60, 60), (60, 60), 1),
    ],
    ids=str,
)
def test_as_many_files_as_connections_need_are_allowed_or_there_are_fewer_connections(
    monkeypatch: pytest.MonkeyPatch, allowed: tuple[int, int], taken: tuple[int, int] | None, connections: int
) -> None:
    set_to: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: allowed)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: set_to.append(limits))
    assert _within_files(Limits()).connections == connections
    assert set_to == ([] if taken is None else [taken])
