"""Forgetting much at once: a delivery that comes meanwhile waits for one small step of it at most."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from prreview_cli.core.events import Review
from prreview_cli.core.ports.store import Store
from prreview_cli.services.janitor import PRUNE_STEP, Janitor
from prreview_cli.store.sqlite.rows import millis
from support.clocks import ImpatientClock
from support.fakes import FakeAlerts
from support.stores import NOON, Bench, opened_sqlite, target

ROWS = 100_000
OLD = f"""WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
INSERT INTO delivery (delivery, event, received, status, reason) SELECT 'old-' || i, 'ping', :at, 'ignored', 'A ping.' FROM n"""


class Witness:
    """Sees what is handed to the writer and what is answered, in their orders; deliveries come in the middle of steps."""

    def __init__(self, bench: Bench, submit: Callable[..., asyncio.Future[Any]]) -> None:
        self.bench, self.submit = bench, submit
        self.handed_in: list[str] = []
        self.answered: list[str] = []
        self.deleted: list[int] = []
        self.steps = 0
        self.deliveries: list[asyncio.Task[Any]] = []

    def __call__(self, operation: Callable[[sqlite3.Connection], Any], *, durable: bool = False) -> asyncio.Future[Any]:
        name = f"delivery {len(self.deliveries)}" if durable else f"step {self.steps}"
        future = self.submit(operation, durable=durable)
        self.handed_in.append(name)
        future.add_done_callback(lambda done: self.note(name, done.result()))
        if not durable:
            assert len(self.deleted) == self.steps, "a step is handed in when the one before it was answered"
            self.steps += 1
            if self.steps % 25 == 0:
                self.deliver()
        return future

    def note(self, name: str, result: Any) -> None:
        self.answered.append(name)
        if name.startswith("step"):
            self.deleted.append(result)

    def deliver(self) -> None:
        number = len(self.deliveries) + 1
        wanted = Review(target(f"{number}", number=number, updated_at=self.bench.now))
        self.deliveries.append(asyncio.ensure_future(self.bench.accept(wanted, name=f"d-{number}")))


async def test_a_delivery_waits_for_one_small_step_of_a_big_prune_at_most(tmp_path: Path) -> None:
    clock = ImpatientClock(NOON + timedelta(days=40))
    store = await opened_sqlite(tmp_path / "q.db", clock)
    try:
        await store._database.write(lambda db: db.execute(OLD, {"at": millis(NOON)}).rowcount)
        bench = Bench(store, clock)
        bench.now = clock.now()
        witness = Witness(bench, store._database.submit)
        store._database.submit = witness  # type: ignore[method-assign]

        await janitor(store, clock).prune()

        answers = await asyncio.gather(*witness.deliveries)
        assert {answer.status for answer in answers} == {"queued"}
        assert len(answers) >= ROWS // PRUNE_STEP // 25
        assert witness.answered == witness.handed_in, "first come, first committed: no later step goes before a delivery"
        assert (sum(witness.deleted), max(witness.deleted)) == (ROWS, PRUNE_STEP)
    finally:
        await store.close()


def janitor(store: Store, clock: ImpatientClock) -> Janitor:
    return Janitor("test", store, FakeAlerts(), clock, max_attempts=3, keep_days=30, forget=lambda _: None)
