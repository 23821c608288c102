"""A stage on which processes are killed by order and always come back, and what is left when all is at rest."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from prreview_cli.core.job import AT_REST, State
from prreview_cli.core.ports.store import Store
from prreview_cli.store import open_store
from prreview_cli.store.sqlite.rows import job_id
from prreview_cli.trials.simulators.behaviours import reviewer
from prreview_cli.trials.simulators.webhooks import Delivery
from prreview_cli.trials.temporary_profile import ENVIRONMENT
from support.crash.words import End, Note, Order, Row, Subject
from support.processes import alive, text_of, until
from support.stage import Served, Stage

DRIVER = Path(__file__).with_name("driver.py")
WAIT_S = 90.0
LOOK_S = 0.05


@dataclass(slots=True)
class Lane:
    """One stage for many crashes, one after the other. Use it as an async context manager."""

    stage: Stage
    served: Served | None = None
    orders: list[Order] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    _next: int = 1
    _given: int = 0
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def folder(self) -> Path:
        """Where the orders lie."""
        return self.stage.folder / "orders"

    @property
    def database(self) -> Path:
        """The queue's file."""
        return self.stage.folder / "queue.db"

    # -- processes ---------------------------------------------------------------------------------

    async def serve(self) -> Served:
        """The running server, started again if it is gone."""
        if self.served is not None and self.served.process.returncode is None:
            return self.served
        await self._running.aclose()
        self.served = await self._running.enter_async_context(self.stage.serving())
        self.seen |= set(self.served.family())
        return self.served

    async def close(self) -> None:
        """End in order; nothing may be left of any process that was ever seen, nor of its scratch folder."""
        code = await self._terminated()
        if code == -signal.SIGKILL:  # the last order had killed it, and it had not quite ended when we looked
            code = await self._terminated()
        assert code == 0, f"exit code {code}; {self.said()[-3000:]}"
        await self._running.aclose()
        await until(lambda: not alive() & self.seen, 10)
        scratch = self.stage.folder / "state" / "scratch"
        assert not scratch.exists() or list(scratch.iterdir()) == []

    async def _terminated(self) -> int:
        served = await self.serve()
        self.seen |= set(served.family())
        return await served.terminate()

    async def leave(self) -> None:
        """Kill what still runs."""
        await self._running.aclose()

    async def command(self, *words: str) -> None:
        """A command by hand, given again if it was killed; then it may find that it was obeyed already."""
        code, _, err = await self.stage.run(*words)
        if code < 0:
            code, _, err = await self.stage.run(*words)
            assert code in {0, 2}, err
        else:
            assert code == 0, err

    async def review(self, subject: Subject) -> int:
        """`review`, once; its exit code, which is below 0 if it was killed."""
        name = f"{subject.hosted.name}#{subject.pull.number}"
        code, _, err = await self.stage.run("review", name, "--agent", self.stage.agent, "--allow-unsandboxed")
        assert code <= 0, err
        return code

    # -- what a play does --------------------------------------------------------------------------

    def subject(self) -> Subject:
        """A pull request that nothing has happened to."""
        pull = self.stage.hosted.pulls[self._next]
        self._next += 1
        self.stage.model.script = reviewer(turns=2)
        return Subject(self.stage.hosted, pull, [pull.head_sha])

    def repository(self, pulls: int) -> list[Subject]:
        """A repository of their own for so many of them."""
        hosted = self.stage.host.add_repository(f"octo/other-{self._given}", pulls)
        return [Subject(hosted, pull, [pull.head_sha]) for pull in hosted.pulls.values()]

    def push(self, subject: Subject) -> None:
        """A newer head."""
        subject.heads.append(self.stage.host.push(subject.hosted, subject.pull.number))

    def give_orders(self) -> None:
        """From now on they are carried out."""
        for order in self.orders:
            self._given += 1
            draft = self.folder / f"{self._given:04d}.draft"
            draft.write_text(json.dumps(asdict(order)))
            draft.rename(draft.with_suffix(".order"))

    def obeyed(self) -> bool:
        """Whether no order is left."""
        return not list(self.folder.glob("*.order"))

    def word(self, subject: Subject, action: str = "opened") -> Delivery:
        """A webhook about the pull request as it is now."""
        return self.stage.host.delivery(subject.hosted, subject.pull.number, self.stage.keys.webhook_secret, action)

    async def send(self, delivery: Delivery) -> None:
        """Have it acknowledged; a host's delivery that was not is sent again by hand."""
        async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as client:
            while True:
                served = await self.serve()
                with suppress(httpx.TransportError):
                    answer = await client.post(served.webhook, content=delivery.body, headers=delivery.headers)
                    assert answer.status_code == 200, answer.text
                    return
                await served.process.wait()

    async def pause(self) -> None:
        """No job is taken."""
        async with self._store() as store:
            await store.switches.pause("A test.", self.stage.clock.now())

    async def resume(self) -> None:
        """Jobs are taken again."""
        async with self._store() as store:
            await store.switches.resume(self.stage.clock.now())

    # -- what is there -----------------------------------------------------------------------------

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the database; none while it is being recovered."""
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"{self.database.as_uri()}?mode=ro", uri=True)) as db:
            return db.execute(sql, values).fetchall()
        return []

    def rows(self, subject: Subject) -> list[Row]:
        """The jobs of a pull request, oldest first."""
        key = subject.hosted.id, subject.pull.number
        found = self.query("SELECT id, head_sha, run, state FROM job WHERE repository_id = ? AND number = ? ORDER BY id", *key)
        return [Row(job_id(id_), head, run, State(state)) for id_, head, run, state in found]

    def states(self, subject: Subject) -> list[State]:
        """The states of its jobs, oldest first."""
        return [row.state for row in self.rows(subject)]

    def reservations(self) -> int:
        """How many model requests were put on the bill."""
        return int(self.query("SELECT count(*) FROM spend")[0][0])

    def open_attempts(self) -> int:
        """How many holds have not ended."""
        return int(self.query("SELECT count(*) FROM attempt WHERE ended IS NULL")[0][0])

    def trace(self) -> list[Note]:
        """What was noted so far."""
        return [Note(**json.loads(line)) for line in text_of(self.folder / "trace").splitlines()]

    def paused(self) -> bool:
        """Whether the profile rests."""
        return bool(self.query("SELECT 1 FROM pause"))

    def living(self) -> list[str]:
        """The processes, and in what each of them waits."""
        family = [] if self.served is None else self.served.family()
        return [f"{pid} in {text_of(Path(f'/proc/{pid}/wchan')) or 'nothing'}" for pid in family]

    def rows_of_all(self) -> list[tuple[Any, ...]]:
        """The jobs that are not at rest."""
        return self.query("SELECT id, number, state FROM job WHERE state IN ('queued', 'scheduled', 'running')")

    def said(self) -> str:
        """What the processes said on standard error."""
        return "" if self.served is None else self.served.stderr.read_text()

    async def reach(self, holds: Callable[[], bool]) -> None:
        """Wait for it, with a server running whatever befalls it."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                gone = asyncio.ensure_future((await self.serve()).process.wait())
                await asyncio.wait({gone}, timeout=LOOK_S)
                gone.cancel()

    async def rest(self, *subjects: Subject) -> None:
        """Return once the orders are obeyed and nothing of these waits or runs."""

        def resting() -> bool:
            rows = [row for subject in subjects for row in self.rows(subject)]
            return self.obeyed() and bool(rows) and all(row.state in AT_REST for row in rows)

        await self.reach(resting)
        self.seen |= set((await self.serve()).family())

    def end(self, subject: Subject) -> End:
        """How it stands."""
        jobs = {(subject.heads.index(row.head), row.run): row.state for row in self.rows(subject)}
        reviews = [
            (subject.heads.index(review.commit_id), "outdated" in review.body.lower().splitlines()[0])
            for review in subject.hosted.reviews_of(subject.pull.number)
        ]
        return End(jobs, reviews)

    @asynccontextmanager
    async def _store(self) -> AsyncIterator[Store]:
        url = f"sqlite:///{self.database}"
        store = await open_store(url, environment=ENVIRONMENT, host=self.stage.host.api_url, clock=self.stage.clock, must_exist=True)
        try:
            yield store
        finally:
            await store.close()


@asynccontextmanager
async def new_lane(folder: Path, pulls: int, *, interval_s: float = 0.0, agent: str = "scripted") -> AsyncIterator[Lane]:
    """A lane for so many pull requests, with one slot; `interval_s` is `review.min_interval_s`."""
    (folder / "orders").mkdir(parents=True)
    changes = {
        "queue": {"url": f"sqlite:///{folder / 'queue.db'}"},
        "workers": {"max_attempts": 20, "backoff_s": 0.05},
        "review": {"min_interval_s": interval_s},
    }
    program, given = (sys.executable, "-I", str(DRIVER)), {"CRASH_FOLDER": str(folder / "orders")}
    with Stage(folder, pulls=pulls, workers=1, agent=agent, changes=changes, program=program, variables=given) as stage:
        lane = Lane(stage)
        try:
            await lane.serve()
            yield lane
            await lane.close()
        finally:
            await lane.leave()
