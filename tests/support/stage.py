"""A whole stage for acceptance tests: simulated host and model, a profile, and the installed `prreview` in real processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import tomli_w

from prreview_cli.trials import temporary_profile
from prreview_cli.trials.simulators.behaviours import reviewer
from prreview_cli.trials.simulators.code_host import CodeHost
from prreview_cli.trials.simulators.github_state import Hosted, StoredReview
from prreview_cli.trials.simulators.model_api import ModelApi
from prreview_cli.trials.simulators.webhooks import Delivery, signed
from prreview_cli.trials.temporary_profile import Keys
from support.processes import alive, until
from support.simulators import MachineClock

REPOSITORY = "octo/shop"
WAIT_S = 60.0


class Served:
    """A running `serve` (or `work`) and its ready line."""

    def __init__(self, process: asyncio.subprocess.Process, stderr: Path) -> None:
        self.process, self.stderr = process, stderr
        self.webhook = self.ops = ""

    async def ready(self) -> Self:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), WAIT_S)
        assert line, self.stderr.read_text()
        said = json.loads(line)
        assert said["event"] == "ready"
        self.webhook, self.ops = said["webhook"] or "", said["ops"] or ""
        return self

    @property
    def root(self) -> str:
        """The public listener's address."""
        return self.webhook.removesuffix("/webhook/pr")

    async def terminate(self, within_s: float = WAIT_S) -> int:
        """SIGTERM, and wait for the exit code."""
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), within_s)

    def family(self) -> list[int]:
        """The process ids of it and of all its descendants."""
        return [self.process.pid, *descendants(self.process.pid)]

    async def kill_everything(self) -> None:
        """SIGKILL to it and every descendant at once; returns when all are gone."""
        family = self.family()
        for pid in family:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()
        await until(lambda: not alive() & set(family))


@dataclass
class Stage:
    """Use it as a context manager. `agent` is who reviews: the light stand-in, or the real CLI.

    `program` starts prreview; a test that changes something in the child first names a driver of its own. `variables` are
    added to what each child is given, `wrapper` is put before the command of a server or a pool.
    """

    folder: Path
    pulls: int = 1
    workers: int = 2
    agent: str = "scripted"
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)
    program: tuple[str, ...] = (sys.executable, "-I", "-m", "prreview_cli")
    variables: dict[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()
    keys: Keys = field(default_factory=Keys)
    clock: MachineClock = field(default_factory=MachineClock)
    host: CodeHost = field(init=False)
    model: ModelApi = field(init=False)
    hosted: Hosted = field(init=False)
    profile: Path = field(init=False)

    def __post_init__(self) -> None:
        self.host = CodeHost(self.folder / "repositories", self.clock, self.keys.host_token)
        self.model = ModelApi(self.clock, self.keys.model_api_key, reviewer(turns=2))

    def __enter__(self) -> Self:
        self.host.__enter__()
        self.model.__enter__()
        self.hosted = self.host.add_repository(REPOSITORY, self.pulls)
        self.profile = temporary_profile.write(
            self.folder,
            self.keys,
            model_url=self.model.url,
            api_url=self.host.api_url,
            git_url=self.host.git_url,
            workers=self.workers,
        )
        self.change_profile(self.changes)
        return self

    def __exit__(self, *_: object) -> None:
        self.model.__exit__(None, None, None)
        self.host.__exit__(None, None, None)

    def change_profile(self, changes: dict[str, dict[str, Any]]) -> None:
        """Change tables of the profile's file."""
        document = tomllib.loads(self.profile.read_text())
        for table, values in changes.items():
            document.setdefault(table, {}).update(values)
        self.profile.write_text(tomli_w.dumps(document))

    # -- processes -------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """All that a child is given."""
        return {
            "HOME": str(self.folder),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.folder),
            **self.variables,
        }

    @asynccontextmanager
    async def serving(self, *words: str) -> AsyncIterator[Served]:
        """A ready `prreview serve`; nothing of it is left afterwards."""
        arguments = [
            "serve",
            "--profile",
            str(self.profile),
            "--port",
            "0",
            "--ops-port",
            "0",
            "--agent",
            self.agent,
            "--allow-unsandboxed",
        ]
        async with self._started([*arguments, *words]) as served:
            yield served

    @asynccontextmanager
    async def working(self, *words: str) -> AsyncIterator[Served]:
        """A ready `prreview work`."""
        arguments = ["work", "--profile", str(self.profile), "--agent", self.agent, "--allow-unsandboxed"]
        async with self._started([*arguments, *words]) as served:
            yield served

    @asynccontextmanager
    async def _started(self, arguments: list[str]) -> AsyncIterator[Served]:
        stderr = self.folder / "stderr.log"
        with stderr.open("ab") as said:
            process = await asyncio.create_subprocess_exec(
                *[*self.wrapper, *self.program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                env=self.environment,
                cwd=self.folder,
            )
        served = Served(process, stderr)
        try:
            yield await served.ready()
        finally:
            if process.returncode is None:
                await served.kill_everything()

    async def start(self, *words: str, **variables: str) -> asyncio.subprocess.Process:
        """A command on this profile, with these variables beside the environment of every child; whoever starts it ends it."""
        return await asyncio.create_subprocess_exec(
            *[*self.program, *words, "--profile", str(self.profile)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environment, **variables},
            cwd=self.folder,
        )

    async def run(self, *words: str, **variables: str) -> tuple[int, str, str]:
        """A short command: (exit code, stdout, stderr)."""
        process = await self.start(*words, **variables)
        out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def told(self, *words: str) -> dict[str, Any]:
        """What a short command prints with --json; it must succeed."""
        code, out, err = await self.run(*words, "--json")
        assert code == 0, err
        parsed: dict[str, Any] = json.loads(out)
        return parsed

    # -- deliveries ------------------------------------------------------------------------------

    def delivery(self, number: int = 1, action: str = "opened", **more: Any) -> Delivery:
        """A signed webhook about a pull request as it is now."""
        return self.host.delivery(self.hosted, number, self.keys.webhook_secret, action, **more)

    def again(self, delivery: Delivery) -> Delivery:
        """The same body under another delivery id."""
        return signed(delivery.body, self.keys.webhook_secret)

    async def send(self, served: Served, deliveries: Iterable[Delivery]) -> list[dict[str, Any]]:
        """Send them all at once; the answers, which must be 200."""
        async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S, limits=httpx.Limits(max_connections=50)) as client:
            posts = [client.post(served.webhook, content=delivery.body, headers=delivery.headers) for delivery in deliveries]
            answers = await asyncio.gather(*posts)
        assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
        return [answer.json() for answer in answers]

    # -- what the host saw -----------------------------------------------------------------------

    def reviews(self) -> list[StoredReview]:
        return self.host.reviews()

    def reviewed(self) -> list[int]:
        """The pull requests' numbers, one for each review posted."""
        return sorted(review.number for review in self.reviews())

    async def posted(self, count: int, within_s: float = WAIT_S) -> None:
        """Return once so many reviews stand on the host."""
        await self.host.watch.until(lambda: len(self.reviews()) >= count, within_s)


async def get(url: str) -> httpx.Response:
    """One GET."""
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as client:
        return await client.get(url)


async def eventually(stage: Stage, words: list[str], holds: Any, within_s: float = WAIT_S) -> dict[str, Any]:
    """What a command says as JSON, asked again until it holds."""
    async with asyncio.timeout(within_s):
        while not holds(said := await stage.told(*words)):
            pass
    return said


def logged(stage: Stage, event: str) -> list[dict[str, Any]]:
    """The lines of such an event that any process of this stage has logged, a line that is just being written left out."""
    lines = [line for path in (stage.folder / "state" / "logs").glob("*.jsonl") for line in path.read_text().splitlines(keepends=True)]
    return [said for said in (json.loads(line) for line in lines if line.endswith("\n")) if said["event"] == event]


def descendants(pid: int) -> list[int]:
    """The process ids of all children, theirs too."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *descendants(child)]
    return found
