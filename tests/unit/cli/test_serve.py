"""The server beside its pool."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prreview_cli.cli.commands import serve
from prreview_cli.cli.pool_process import PoolDied
from support.clocks import FakeClock


class Pool:
    """Its watch breaks, or it is told to end before it is ready: `starting`."""

    def __init__(self, starting: Callable[[], None] | None = None) -> None:
        self.starting, self.stopped, self.hurried = starting, False, False

    async def start(self) -> None:
        if self.starting is not None:
            self.starting()
            raise PoolDied("The worker pool did not start.")

    async def watch(self) -> None:
        if not self.stopped:
            raise ValueError("It broke.")

    async def stop(self) -> None:
        self.stopped = True

    def hurry(self) -> None:
        self.hurried = True


class Store:
    async def check_writable(self) -> None:
        """It is."""


async def served(pool: Any, folder: Path) -> bool:
    @asynccontextmanager
    async def store(**_: object) -> AsyncIterator[Store]:
        yield Store()

    house: Any = SimpleNamespace(store=store, state=folder, clock=FakeClock())
    return await asyncio.wait_for(serve._serve(house, pool, 1, 0, 0), 10)


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[signal.Signals], None]]:
    """What is called at a signal, once it serves."""

    @asynccontextmanager
    async def listeners(*_: object) -> AsyncIterator[tuple[str, str]]:
        yield "http://127.0.0.1:1/webhook/pr", "http://127.0.0.1:2"

    found: list[Callable[[signal.Signals], None]] = []
    monkeypatch.setattr(serve, "listeners", listeners)
    monkeypatch.setattr(serve, "on_signals", found.append)
    monkeypatch.setattr(serve, "print_event", lambda _: None)
    return found


@pytest.mark.usefixtures("handlers")
async def test_a_server_that_watches_its_pool_no_more_ends_and_says_why(tmp_path: Path) -> None:
    pool = Pool()
    with pytest.raises(ValueError, match="It broke"):
        await served(pool, tmp_path)
    assert pool.stopped


async def test_a_server_that_is_hurried_before_its_pool_is_ready_ends_in_order(
    tmp_path: Path, handlers: list[Callable[[signal.Signals], None]]
) -> None:
    def told_twice() -> None:
        for _ in range(2):
            handlers[0](signal.SIGTERM)

    pool = Pool(told_twice)
    assert await served(pool, tmp_path) is False
    assert (pool.hurried, pool.stopped) == (True, True)


@pytest.mark.usefixtures("handlers")
async def test_a_pool_that_does_not_start_ends_its_server(tmp_path: Path) -> None:
    with pytest.raises(PoolDied):
        await served(Pool(lambda: None), tmp_path)
