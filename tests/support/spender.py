"""A worker of its own that asks the model until its budget ends: `python spender.py DATABASE_URL MODEL_URL DAY_CAP`.

It takes a job of the queue, asks through a real gateway, two requests at once, and prints one JSON value a line:
"ready", and at its end the kind of failure that ended it. Each goes on after a line on stdin.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

import httpx
from store_child import NOON, OWNER, Clock, say, told_to_go_on

from prreview_cli.core.errors import Failure
from prreview_cli.core.ports.gateway import Allowance
from prreview_cli.core.ports.store import Beat, Capacity
from prreview_cli.core.profile import Model, Prices
from prreview_cli.gateway import ModelGateway
from prreview_cli.secrecy import Secret
from prreview_cli.store import open_store

MODEL, TOOL = "claude-test", "mcp__prreview__read_diff"


async def nothing(_: Failure | None = None) -> None:
    """Nobody is told: each process is to find the cap by itself."""


async def ask_until_refused(url: str, token: str) -> None:
    asked = {"model": MODEL, "max_tokens": 1000, "stream": True, "tools": [{"name": TOOL}], "messages": []}
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, verify=False) as client:
        while (await client.post("/v1/messages", json=asked, headers={"x-api-key": token})).is_success:
            pass


async def main(database: str, model_url: str, day: float) -> None:
    model = Model(MODEL, model_url, prices=Prices(3.0, 15.0, 0.3, 3.75), max_usd_per_day=day)
    store, clock, worker = await open_store(database, clock=Clock(), **OWNER), Clock(), f"worker-{os.getpid()}"
    key = Secret("sk-ant-for-the-tests-0123456789")
    gateway = ModelGateway(
        model,
        lambda: key,
        store.spend,
        store.switches,
        clock,
        on_profile_failure=nothing,
        on_answer=nothing,
        on_limit=nothing,
        limited_until=nothing,
        redact=str,
    )
    await gateway.start()
    try:
        await store.pools.beat(Beat(worker, os.getpid(), 1, NOON, 0))
        lease = await store.jobs.claim(worker, Capacity(100), 30, NOON)
        assert lease is not None
        say("ready")
        await told_to_go_on()
        async with gateway.grant(lease, Allowance(MODEL, frozenset({TOOL}), 2)) as grant:
            await asyncio.gather(*(ask_until_refused(grant.base_url, grant.token) for _ in range(2)))
            say(grant.failure and grant.failure.kind)
    finally:
        await gateway.close()
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
