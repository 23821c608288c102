from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from prreview_cli.telemetry.systemd import Systemd
from support.clocks import FakeClock, settled
from support.simulators import MachineClock


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.setblocking(False)
        yield listening


def heard(manager: socket.socket) -> list[str]:
    said = []
    while True:
        try:
            said.append(manager.recv(100).decode())
        except BlockingIOError:
            return said


def test_the_manager_hears_each_state_and_children_are_not_told_of_it(manager: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    systemd = Systemd.of(environment)
    systemd.ready()
    systemd.stopping()
    assert heard(manager) == ["READY=1", "STOPPING=1"]
    assert environment == {"PATH": "/bin"}


async def test_signs_of_life_come_at_twice_the_pace_that_is_asked_for(manager: socket.socket) -> None:
    clock = FakeClock()
    systemd = Systemd.of({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())})
    watching = asyncio.create_task(systemd.watch(clock))
    await settled()
    assert heard(manager) == ["WATCHDOG=1"]
    await clock.advance(4.9)
    assert heard(manager) == []
    await clock.advance(0.2)
    assert heard(manager) == ["WATCHDOG=1"]
    watching.cancel()


async def test_a_loop_that_hangs_gives_no_sign(manager: socket.socket) -> None:
    systemd = Systemd.of({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())})
    watching = asyncio.create_task(systemd.watch(MachineClock()))
    await asyncio.get_running_loop().run_in_executor(None, select.select, [manager], [], [], 10)
    assert heard(manager) == ["WATCHDOG=1"]
    select.select([manager], [], [], 0.2)  # holds the loop, ten times as long as the manager waits
    assert heard(manager) == []
    await asyncio.get_running_loop().run_in_executor(None, select.select, [manager], [], [], 10)
    assert "WATCHDOG=1" in heard(manager)
    watching.cancel()


@pytest.mark.parametrize(
    "watchdog", [{}, {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "0"}]
)
async def test_without_a_watchdog_of_ours_no_sign_is_given(manager: socket.socket, watchdog: dict[str, str]) -> None:
    await Systemd.of({"NOTIFY_SOCKET": manager.getsockname(), **watchdog}).watch(FakeClock())
    assert heard(manager) == []


@pytest.mark.parametrize("address", [None, "", "vsock:2:1", "/nowhere/notify"])
def test_where_nobody_listens_nothing_happens(address: str | None) -> None:
    systemd = Systemd.of({} if address is None else {"NOTIFY_SOCKET": address})
    systemd.ready()


def test_an_abstract_address_is_understood() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0prreview-test-{os.getpid()}")
        listening.setblocking(False)
        Systemd.of({"NOTIFY_SOCKET": f"@prreview-test-{os.getpid()}"}).ready()
        assert heard(listening) == ["READY=1"]
