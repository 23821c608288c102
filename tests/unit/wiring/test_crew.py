"""A pool and what runs beside it: neither goes on without the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from prreview_cli.wiring import Crew


class Pool:
    def __init__(self) -> None:
        self.ending = asyncio.Event()

    def end(self) -> None:
        self.ending.set()

    async def run(self) -> None:
        await self.ending.wait()


class Janitor:
    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault

    async def run(self) -> None:
        if self.fault is not None:
            raise self.fault
        await asyncio.Event().wait()


class Pulse(Janitor):
    worker = "w1"

    def __init__(self, fault: Exception | None = None) -> None:
        super().__init__(fault)
        self.pools, self.left = self, list[str]()

    async def beat(self) -> None:
        """It lives."""

    async def leave(self, worker: str) -> None:
        self.left.append(worker)


def crew(pool: Any, janitor: Any, pulse: Any) -> Crew:
    return Crew(pool, janitor, pulse, warm=lambda: None)


@pytest.mark.parametrize("breaks", ["janitor", "pulse"])
async def test_a_pool_drains_and_says_why_when_what_runs_beside_it_breaks(breaks: str) -> None:
    fault = ValueError("It broke.")
    pulse = Pulse(fault if breaks == "pulse" else None)
    working = crew(Pool(), Janitor(fault if breaks == "janitor" else None), pulse)
    with pytest.raises(ValueError, match="It broke"):
        await asyncio.wait_for(working.run(lambda: None), 10)
    assert pulse.left == ["w1"]


async def test_a_pool_that_is_told_to_end_ends_in_order() -> None:
    pool, pulse = Pool(), Pulse()
    pool.end()
    await asyncio.wait_for(crew(pool, Janitor(), pulse).run(lambda: None), 10)
    assert pulse.left == ["w1"]
