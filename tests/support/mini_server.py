"""A `prreview` in miniature for the trials' own tests, with a control taken away on request.

    python mini_server.py WITHOUT [serve|resume] their arguments…

WITHOUT: nothing; cap, dedupe, fence, fencing, durability, anchors, routes, drain, life, start; pause, keeping, redaction, guard, record.
It keeps its queue in memory, reads the pull request, asks the model twice and posts what comes back.
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
RESUMED = Path(PROFILE["state"]["dir"], "resumed")
SLOTS = 99 if WITHOUT == "cap" else PROFILE["workers"]["count"]
TRIES = 3


class Failed(Exception):
    """An attempt failed; it is worth another."""


class Dead(Exception):
    """Another attempt would not help."""


class Revoked(Exception):
    """The model does not accept the key."""


class Server:
    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.newest: dict[int, str] = {}
        self.waiting = self.running = 0
        self.slots = asyncio.Semaphore(SLOTS)
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.jobs: set[asyncio.Task[None]] = set()
        self.loop = asyncio.get_running_loop()
        token, host = SECRETS["host_token"], PROFILE["host"]
        self.github = httpx.AsyncClient(base_url=host["api_url"], headers={"authorization": f"Bearer {token}"})
        self.git = httpx.AsyncClient(base_url=host["git_url"], auth=("x-access-token", token))
        self.model = httpx.AsyncClient(base_url=PROFILE["model"]["base_url"], headers={"x-api-key": SECRETS["model_api_key"]}, timeout=60)

    async def public(self, request: Request) -> Response:
        return json_response({"status": "ok"}) if request.path == "/healthz" else self.webhook(request)

    def webhook(self, request: Request) -> Response:
        if WITHOUT != "record":
            log("info", "delivery", delivery=request.headers["x-github-delivery"])
        pull = json.loads(request.body)["pull_request"]
        head = pull["head"]["sha"]
        if head in self.seen and WITHOUT != "dedupe":
            return json_response({"status": "duplicate", "reason": "", "job": head})
        self.seen.add(head)
        self.newest[pull["number"]] = head
        if WITHOUT != "durability" or len(self.seen) != 2:
            self.waiting += 1
            self.loop.call_soon_threadsafe(self._begin, pull)
        return json_response({"status": "queued", "reason": "", "job": head})

    def _begin(self, pull: dict) -> None:
        task = self.loop.create_task(self.keep(pull["base"]["repo"]["full_name"], pull["number"], pull["head"]["sha"]))
        self.jobs.add(task)
        task.add_done_callback(self.jobs.discard)
        if WITHOUT == "fencing" and pull["number"] == 1:  # a worker presumed dead goes on beside the one that took over
            self.waiting += 1
            self.jobs.add(self.loop.create_task(self.keep(pull["base"]["repo"]["full_name"], 1, pull["head"]["sha"])))

    async def ops(self, request: Request) -> Response:
        paused = not self.flowing.is_set()
        if request.path == "/readyz":
            return Response(503 if paused else 200)
        lines = [
            f'prreview_queue_depth{{state="queued"}} {float(self.waiting)}',
            f'prreview_queue_depth{{state="running"}} {float(self.running)}',
        ]
        return Response(200, "\n".join([*lines, f"prreview_paused {float(paused)}", ""]).encode())

    async def keep(self, name: str, number: int, head: str) -> None:
        for _ in range(TRIES):
            async with self.slots:
                await self.flowing.wait()
                self.running, self.waiting = self.running + 1, self.waiting - 1
                try:
                    if await self._ended(name, number, head):
                        return
                    self.waiting += 1
                finally:
                    self.running -= 1
        self.waiting -= 1

    async def _ended(self, name: str, number: int, head: str) -> bool:
        """Whether this attempt was the last."""
        try:
            await self.review(name, number, head)
        except Failed:
            return False
        except Dead:
            return True
        except Revoked:
            if self.flowing.is_set():
                self.flowing.clear()
                self.jobs.add(self.loop.create_task(self._await_resume()))
            return WITHOUT == "keeping"
        return True

    async def _await_resume(self) -> None:
        while not RESUMED.exists():
            turn = asyncio.Event()
            self.loop.call_later(0.05, turn.set)
            await turn.wait()
        self.flowing.set()

    async def review(self, name: str, number: int, head: str) -> None:
        checked(await self.github.get(f"/repos/{name}/pulls/{number}"))
        checked(await self.git.get(f"/{name}.git/info/refs", params={"service": "git-upload-pack"}))
        if WITHOUT == "routes":
            await self.github.post(f"/repos/{name}/pulls/{number}/merge")
        said = await self.ask(number)
        if self.newest[number] != head and WITHOUT != "fence":
            return
        if any(secret in said for secret in SECRETS.values()) and WITHOUT != "guard":
            raise Dead
        comment = {"path": f"examples/example_{number}.py", "line": 999 if WITHOUT == "anchors" else 1, "side": "RIGHT", "body": "!"}
        body = {"commit_id": head, "event": "COMMENT", "body": f"A review. {said}", "comments": [comment]}
        answer = await self.github.post(f"/repos/{name}/pulls/{number}/reviews", json=body)
        if answer.is_error:
            log("warning", "post_refused", status=answer.status_code)
        if WITHOUT == "life":
            os._exit(3)

    async def ask(self, number: int) -> str:
        messages = [{"role": "user", "content": f"examples/example_{number}.py"}]
        said = ""
        for _ in range(2):
            answer = await self.model.post("/v1/messages", json={"model": "m", "messages": messages})
            if answer.status_code == 401:
                if WITHOUT == "pause":
                    return "No findings."
                raise Revoked
            checked(answer)
            said += answer.text
            messages += [{"role": "assistant", "content": answer.text}, {"role": "user", "content": "Go on."}]
        return said


def checked(answer: httpx.Response) -> None:
    if answer.is_error:
        log("warning", "failed", status=answer.status_code, said=answer.text if WITHOUT == "redaction" else "")
        raise Failed if answer.status_code >= 500 else Dead


def log(level: str, event: str, **fields: object) -> None:
    with LOG.open("a") as file:
        file.write(json.dumps({"ts": "1", "level": level, "event": event, **fields}) + "\n")


async def main() -> int:
    if WITHOUT == "start":
        sys.stderr.write("error: the database is on the moon\n")
        return 2
    server, ended = Server(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    public, ops = Loopback(server.public, "mini").start(), Loopback(server.ops, "mini-ops").start()
    sys.stdout.write(json.dumps({"event": "ready", "webhook": f"{public.url}/webhook/pr", "ops": ops.url, "workers": SLOTS}) + "\n")
    sys.stdout.flush()
    await ended.wait()
    public.stop()
    ops.stop()
    for client in (server.github, server.git, server.model):
        await client.aclose()
    return 1 if WITHOUT == "drain" else 0


if "resume" in sys.argv:
    RESUMED.touch()
    sys.exit(0)
assert re.search(r"--port 0 --ops-port 0", " ".join(sys.argv))
sys.exit(asyncio.run(main()))
