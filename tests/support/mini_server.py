"""A `serve` in miniature for the load test's own tests, with a control taken away on request.

    python mini_server.py WITHOUT serve's arguments…      WITHOUT: nothing, cap, dedupe, durability, anchors, routes, drain, life, start

It keeps its queue in memory, reads the pull request, asks the model once and posts what comes back.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import tomllib
from pathlib import Path

import httpx

from prreview_cli.trials.simulators.http import Request, Response, json_response
from prreview_cli.trials.simulators.loopback import Loopback

WITHOUT = sys.argv[1]
PROFILE = tomllib.loads(Path(sys.argv[sys.argv.index("--profile") + 1]).read_text())
SECRETS = {name: Path(reference.removeprefix("file:")).read_text() for name, reference in PROFILE["secrets"].items()}
LOG = Path(PROFILE["state"]["dir"], "mini.jsonl")
SLOTS = 99 if WITHOUT == "cap" else PROFILE["workers"]["count"]


class Server:
    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.waiting = self.running = 0
        self.slots = asyncio.Semaphore(SLOTS)
        self.jobs: set[asyncio.Task[None]] = set()
        self.loop = asyncio.get_running_loop()
        self.github = httpx.AsyncClient(base_url=PROFILE["host"]["api_url"], headers={"authorization": f"Bearer {SECRETS['host_token']}"})
        self.model = httpx.AsyncClient(base_url=PROFILE["model"]["base_url"], headers={"x-api-key": SECRETS["model_api_key"]})

    async def webhook(self, request: Request) -> Response:
        pull = json.loads(request.body)["pull_request"]
        head = pull["head"]["sha"]
        if head in self.seen and WITHOUT != "dedupe":
            return json_response({"status": "duplicate", "reason": "", "job": head})
        self.seen.add(head)
        if WITHOUT != "durability" or len(self.seen) != 2:
            self.waiting += 1
            self.loop.call_soon_threadsafe(self._begin, pull)
        return json_response({"status": "queued", "reason": "", "job": head})

    def _begin(self, pull: dict) -> None:
        task = self.loop.create_task(self.review(pull["base"]["repo"]["full_name"], pull["number"]))
        self.jobs.add(task)
        task.add_done_callback(self.jobs.discard)

    async def ops(self, request: Request) -> Response:
        lines = [
            f'prreview_queue_depth{{state="queued"}} {float(self.waiting)}',
            f'prreview_queue_depth{{state="running"}} {float(self.running)}',
        ]
        return Response(200, "\n".join([*lines, "prreview_paused 0.0", ""]).encode())

    async def review(self, name: str, number: int) -> None:
        async with self.slots:
            self.running, self.waiting = self.running + 1, self.waiting - 1
            pull = (await self.github.get(f"/repos/{name}/pulls/{number}")).json()
            if WITHOUT == "routes":
                await self.github.post(f"/repos/{name}/pulls/{number}/merge")
            line = 999 if WITHOUT == "anchors" else 1
            said = await self.model.post(
                "/v1/messages", json={"model": "m", "messages": [{"role": "user", "content": f"examples/example_{number}.py"}]}
            )
            assert said.status_code == 200, said.text
            comment = {"path": f"examples/example_{number}.py", "line": line, "side": "RIGHT", "body": "!"}
            body = {"commit_id": pull["head"]["sha"], "event": "COMMENT", "body": "A review.", "comments": [comment]}
            answer = await self.github.post(f"/repos/{name}/pulls/{number}/reviews", json=body)
            if answer.is_error:
                complain(answer.status_code)
            self.running -= 1
            if WITHOUT == "life":
                os._exit(3)


def complain(status: int) -> None:
    LOG.write_text(json.dumps({"ts": "1", "level": "warning", "event": "post_refused", "status": status}) + "\n")


async def main() -> int:
    if WITHOUT == "start":
        sys.stderr.write("error: the database is on the moon\n")
        return 2
    server, ended = Server(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    public, ops = Loopback(server.webhook, "mini").start(), Loopback(server.ops, "mini-ops").start()
    sys.stdout.write(json.dumps({"event": "ready", "webhook": f"{public.url}/webhook/pr", "ops": ops.url, "workers": SLOTS}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    public.stop()
    ops.stop()
    await server.github.aclose()
    await server.model.aclose()
    return 1 if WITHOUT == "drain" else 0


assert re.search(r"--port 0 --ops-port 0", " ".join(sys.argv))
sys.exit(asyncio.run(main()))
