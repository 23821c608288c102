"""What the door, the signature and the queue cost, against stock uvicorn with a bare application.

    python benchmarks/endpoint.py [--seconds 3] [--rounds 3] [--connections 64] [--kib 25]

Four servers, one after the other, each in a process of its own, asked by the same client on the same
machine in the same run: `stock` (uvicorn's own protocol, an application that reads the body and says
200), `door` (the same application behind our door), `endpoint` (our whole endpoint, nothing stored),
`durable` (the same with each delivery committed to SQLite with fsync). Only the ratios mean anything; on a busy
machine, those of the CPU that the server used for one request.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import product
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn

from prreview_cli.core.events import Answer, AnswerStatus
from prreview_cli.core.ports.store import Store
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.hosts.github.webhook import GitHubWebhook, signature
from prreview_cli.secrecy import Secret
from prreview_cli.services.intake import Intake
from prreview_cli.store.sqlite import open_sqlite
from prreview_cli.telemetry import open_log
from prreview_cli.telemetry.metrics import Metrics
from prreview_cli.web.endpoint import Endpoint
from prreview_cli.web.listener import Listener

SECRET = "a webhook secret of more than thirty-two bytes"
VARIANTS = ("stock", "door", "endpoint", "durable")


class Clock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 -- a benchmark is its own composition root

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # noqa: TID251 -- as above


class Nowhere:
    """Stores nothing, at once."""

    def __init__(self) -> None:
        self.jobs = self.switches = self

    async def accept(self, *_: object) -> Answer:
        return Answer(AnswerStatus.QUEUED, "The review is queued.", "1")

    async def own_login(self) -> str:
        return "prreview[bot]"

    async def check_writable(self) -> None:
        pass


async def bare(_: object, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
    """Read the body, say 200."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


def serve(variant: str, folder: str, pipe: Connection) -> None:
    """One server's process: says its URL, ends when the pipe does."""
    asyncio.run(_serve(variant, Path(folder), pipe))


async def _serve(variant: str, folder: Path, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        if variant == "stock":
            config = uvicorn.Config(bare, port=0, http="httptools", log_level="warning", access_log=False, lifespan="off")
            server = uvicorn.Server(config)
            server.lifespan = config.load() or config.lifespan_class(config)
            await server.startup()
            pipe.send(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
        else:
            app = bare if variant == "door" else await _endpoint(variant, folder, stack)
            listener = await stack.enter_async_context(Listener(app, "127.0.0.1", 0, setting="--port"))
            pipe.send(listener.url)
        used = time.process_time()
        await loop.run_in_executor(None, pipe.recv)
        pipe.send(time.process_time() - used)


async def _endpoint(variant: str, folder: Path, stack: AsyncExitStack) -> Endpoint:
    clock = Clock()
    stack.enter_context(open_log(folder / "logs", "serve", level="info", redact=str))
    store: Store | Nowhere = Nowhere()
    if variant == "durable":
        store = await open_sqlite(folder / "queue.db", environment="bench", host="github", clock=clock, busy_timeout_ms=3000)
        stack.push_async_callback(store.close)
    intake = Intake(GitHubWebhook(lambda: [Secret(SECRET)]), store, ReviewPolicy(), (), clock)  # type: ignore[arg-type]
    return Endpoint(intake, store.check_writable, clock, tally=Metrics())


def request(number: int, kib: int) -> bytes:
    """A signed delivery of its own pull request, about as long and as nested as GitHub's."""
    account = {"login": "octocat", "id": 1, "url": "https://api.github.com/users/octocat", "type": "User"}
    payload = {
        "action": "opened",
        "number": number,
        "pull_request": {
            "number": number,
            "state": "open",
            "draft": False,
            "title": "A change",
            "updated_at": "2026-01-01T00:00:00Z",
            "user": account,
            "author_association": "MEMBER",
            "head": {"sha": f"{number:040x}", "ref": "topic"},
            "base": {"ref": "main", "sha": "b" * 40},
        },
        "repository": {"id": 42, "full_name": "octo/widgets", "owner": account},
        "sender": account,
        "filler": [account | {"id": filler} for filler in range(kib * 8)],
    }
    body = json.dumps(payload).encode()
    head = [
        "POST /webhook/pr HTTP/1.1",
        "host: bench",
        "content-type: application/json",
        "x-github-event: pull_request",
        f"x-github-delivery: {number}-{time.monotonic_ns()}",
        f"x-hub-signature-256: {signature(body, SECRET.encode()).decode()}",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Client(asyncio.Protocol):
    """Asks again as soon as it was answered."""

    def __init__(self, requests: list[bytes], taken: list[float]) -> None:
        self.requests, self.taken = requests, taken
        self.next, self.asked = 0, 0.0
        self.seen = b""
        self.stopped = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        self.asked = time.perf_counter()
        self.transport.write(self.requests[self.next % len(self.requests)])
        self.next += 1

    def data_received(self, data: bytes) -> None:
        self.seen += data
        head, blank, body = self.seen.partition(b"\r\n\r\n")
        if not blank or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        self.seen = b""
        self.taken.append(time.perf_counter() - self.asked)
        if not self.stopped:
            self.ask()


@dataclass
class Measured:
    """What one server did."""

    rates: list[float] = field(default_factory=list)  # requests a second
    costs: list[float] = field(default_factory=list)  # seconds of the server's CPU for one request
    taken: list[float] = field(default_factory=list)  # seconds until the answer


async def load(url: str, requests: list[list[bytes]], seconds: float) -> list[float]:
    """Ask over all connections at once for so long; how long each answer took."""
    loop = asyncio.get_running_loop()
    host, _, port = url.removeprefix("http://").rpartition(":")
    taken: list[float] = []
    pairs = [await loop.create_connection(partial(Client, share, taken), host, int(port)) for share in requests]
    await asyncio.sleep(seconds)  # noqa: TID251 -- the measurement
    for transport, client in pairs:
        client.stopped = True
        transport.close()
    return taken


def measure(variant: str, requests: list[list[bytes]], seconds: float, measured: Measured) -> None:
    """One server, one measurement."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=serve, args=(variant, folder, theirs))
        process.start()
        taken = asyncio.run(load(ours.recv(), requests, seconds))
        ours.send("end")
        measured.costs.append(ours.recv() / len(taken))
        measured.rates.append(len(taken) / seconds)
        measured.taken += taken
        process.join()


def main() -> None:
    """Print the medians of all rounds and their ratio to stock."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--kib", type=int, default=25)
    options = parser.parse_args()
    requests = [[request(1 + share * 100 + n, options.kib) for n in range(20)] for share in range(options.connections)]
    print(f"{len(requests[0][0]) / 1024:.1f} KiB a delivery, {options.connections} connections, {options.rounds} x {options.seconds} s")
    results = {variant: Measured() for variant in VARIANTS}
    for _, variant in product(range(options.rounds), VARIANTS):
        measure(variant, requests, options.seconds, results[variant])
    rate, cost = statistics.median(results["stock"].rates), statistics.median(results["stock"].costs)
    for variant, measured in results.items():
        its_rate, its_cost = statistics.median(measured.rates), statistics.median(measured.costs)
        p50, p99 = (statistics.quantiles(measured.taken, n=100)[at] * 1000 for at in (49, 98))
        print(f"{variant:9} {its_rate:6.0f}/s ({its_rate / rate:4.2f})  {its_cost * 1e6:5.0f} us CPU each ({cost / its_cost:4.2f})", end="")
        print(f"  p50 {p50:6.1f} ms  p99 {p99:6.1f} ms")


if __name__ == "__main__":
    main()
