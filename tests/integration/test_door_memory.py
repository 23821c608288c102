"""What strangers send does not pile up: a real server process under an unauthenticated flood."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.http_clients import connected, delivery, post, request

SERVER = """
import asyncio, sys
from support.http_clients import DoorStore, SignedReader, StillClock
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.services.intake import Intake
from prreview_cli.web.endpoint import Endpoint
from prreview_cli.web.listener import Listener

async def main():
    store, clock = DoorStore(), StillClock()
    endpoint = Endpoint(Intake(SignedReader(), store, ReviewPolicy(), (), clock), store.check_writable, clock)
    async with Listener(endpoint, "127.0.0.1", 0, setting="server.port") as listener:
        print(listener.url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""
MIB = 1 << 20
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@dataclass
class Server:
    url: str
    pid: int

    def peak(self) -> int:
        """The most memory that was ever resident, in bytes (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


@asynccontextmanager
async def server(home: Path) -> AsyncIterator[Server]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1])}
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdin=pipe, stdout=pipe, env=environment)
    assert child.stdout is not None
    async with asyncio.timeout(60):
        url = (await child.stdout.readline()).decode().strip()
        for _ in range(50):  # what the first requests load is no growth
            assert (await post(url, delivery())).status == 200
    try:
        yield Server(url, child.pid)
    finally:
        async with asyncio.timeout(60):
            await child.communicate(b"")


async def test_a_flood_of_large_bodies_grows_memory_by_little_more_than_all_bodies_may_hold(tmp_path: Path) -> None:
    large = request("POST", "/webhook/pr", {"host": "x", "content-length": str(5 * MIB)})
    async with server(tmp_path) as door, AsyncExitStack() as crowd:
        before = door.peak()
        for _ in range(20):
            sender = await crowd.enter_async_context(connected(door.url))
            await sender.send(large + b"a" * (4 * MIB))
        assert (await post(door.url, delivery())).status == 200
        assert door.peak() - before < (16 + 12) * MIB  # held, and what twenty senders have in transit


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
