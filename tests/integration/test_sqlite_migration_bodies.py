"""A database of the first schema, with rows in it, opened by today's program."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path

from prreview_cli.core.events import Review
from prreview_cli.core.job import Posted, State
from prreview_cli.store.sqlite.migrate import APPLICATION_ID, migrations
from prreview_cli.store.sqlite.queries import statements
from support.clocks import FakeClock
from support.stores import NOON, OWNER, Bench, delivery, opened_sqlite, target

JOB = (
    "INSERT INTO job (id, repository_id, repository, number, head_sha, base_ref, run, state, generation, priority, tag,"
    " author, admitted, created, updated, due) VALUES (?, 7, 'octo/demo', 1, ?, 'main', 0, ?, ?, 0, 1, 'alice', 1, ?, ?, ?)"
)
AT = 1_795_521_600_000
"""Noon of the tests, in milliseconds."""


def version_1(path: Path) -> None:
    """As the first program left it: a job that was posted, one that waits, and the delivery of each."""
    db = sqlite3.connect(path)
    for statement in statements(migrations()[0]):
        db.execute(statement)
    db.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", OWNER.items())
    db.execute(JOB, (1, target("a").head_sha, "posted", 1, AT, AT, None))
    db.execute(JOB, (2, target("b").head_sha, "queued", 2, AT, AT, AT))
    db.execute("INSERT INTO pull_request VALUES (7, 1, ?, ?, 2, NULL, NULL, 0)", (target("b").head_sha, AT))
    for name, head, job in (("d-1", "a", "j00000001"), ("d-2", "b", "j00000002")):
        row = (name, AT, target(head).head_sha, job)
        db.execute(
            "INSERT INTO delivery (delivery, event, action, received, repository_id, repository, number, head_sha, status, reason, job)"
            " VALUES (?, 'pull_request', 'opened', ?, 7, 'octo/demo', 1, ?, 'queued', 'The review is queued.', ?)",
            row,
        )
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("PRAGMA user_version = 1")
    db.execute("PRAGMA journal_mode = WAL")
    db.commit()
    db.close()
    path.chmod(0o600)


async def test_a_database_of_the_first_version_keeps_its_rows_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    version_1(path)
    store = await opened_sqlite(path)
    try:
        at = Bench(store, FakeClock())
        history = await at.jobs.history("octo/demo", 1)
        assert [(job.id, job.state) for job in history.jobs] == [("j00000001", State.POSTED), ("j00000002", State.QUEUED)]
        assert [record.delivery.id for record in history.deliveries] == ["d-1", "d-2"]
        old = await at.jobs.delivery("d-2")
        assert old is not None
        assert (old.received, old.body) == (NOON, None)

        lease = await at.claimed()
        assert lease.job.id == "j00000002"
        assert await at.settle(lease, Posted("r-1"))
        fresh = Review(target("c"))
        await at.jobs.accept(replace(delivery(fresh, at.now, "d-3"), body=b"{}"), fresh, 0.0, at.now)
        found = await at.jobs.delivery("d-3")
        assert found is not None
        assert found.body == b"{}"
    finally:
        await store.close()


async def test_a_job_held_under_an_earlier_schema_keeps_a_lease_and_is_taken_back_after_it(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    version_1(path)
    db = sqlite3.connect(path)
    db.execute("UPDATE job SET state = 'running', claim = 1, worker = 'old', lease_until = ? WHERE id = 2", (AT - 3_600_000,))
    db.commit()
    db.close()
    clock = FakeClock()
    store = await opened_sqlite(path, clock)
    try:
        at = Bench(store, clock)
        assert await at.silence(27) == []
        assert [job.id for job in await at.silence(3)] == ["j00000002"]
    finally:
        await store.close()


async def test_many_who_open_it_at_once_migrate_it_once(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    version_1(path)
    stores = await asyncio.gather(*(opened_sqlite(path) for _ in range(6)))
    try:
        histories = [await store.jobs.history("octo/demo", 1) for store in stores]
        assert all(len(history.jobs) == 2 for history in histories)
    finally:
        for store in stores:
            await store.close()
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone()[0] == len(migrations())
    db.close()


async def test_a_server_that_closes_writes_the_bodies_it_still_holds(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    store = await opened_sqlite(path)
    decision = Review(target())
    await store.jobs.accept(replace(delivery(decision, NOON), body=b"the last one"), decision, 0.0, NOON)
    await store.close()

    again = await opened_sqlite(path)
    try:
        found = await again.jobs.delivery("d-1")
        assert found is not None
        assert found.body == b"the last one"
    finally:
        await again.close()
