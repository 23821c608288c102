"""Group commit and durability: what is answered is on the disk, and one member's trouble is its own."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.events import AnswerStatus
from prreview_cli.core.job import HandBack, Posted, Standing, State
from prreview_cli.core.ports.store import Beat, Capacity, CapReached, Caps
from prreview_cli.store.sqlite import SqliteStore
from support.clocks import FakeClock
from support.processes import until
from support.stores import NOON, REVIEW, Bench, opened_sqlite

Operation = Callable[[sqlite3.Connection], Any]


class Watched(Bench):
    """A bench on SQLite that sees every statement of the two writing connections."""

    def __init__(self, store: SqliteStore, clock: FakeClock) -> None:
        super().__init__(store, clock)
        self.database = store._database
        self.connections = store._database._connections
        self.durable: list[str] = []
        self.relaxed: list[str] = []
        self.connections.durable.set_trace_callback(self.durable.append)
        self.connections.relaxed.set_trace_callback(self.relaxed.append)

    def commits(self) -> tuple[int, int]:
        return self.durable.count("COMMIT"), self.relaxed.count("COMMIT")

    def hold_writer(self) -> threading.Event:
        """Keep the writer busy, so that what is handed in meanwhile forms one group, until the event is set."""
        go, busy = threading.Event(), threading.Event()

        def wait(_: sqlite3.Connection) -> None:
            busy.set()
            go.wait(10)

        self.blocker = self.database.submit(wait)
        busy.wait(10)
        self.durable.clear()
        self.relaxed.clear()
        return go


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Watched]:
    clock = FakeClock()
    store = await opened_sqlite(tmp_path / "q.db", clock, busy_timeout_ms=50)
    yield Watched(store, clock)
    await store.close()


def seen_by_others(path: Path, sql: str) -> Any:
    with sqlite3.connect(path) as other:
        found = other.execute(sql).fetchall()
    other.close()
    return found


async def test_the_promised_settings_are_in_force_on_each_connection(at: Watched) -> None:
    full, normal = 2, 1
    expected = {at.connections.durable: full, at.connections.relaxed: normal}
    for connection, synchronous in expected.items():
        assert connection.execute("PRAGMA synchronous").fetchall()[0][0] == synchronous
    for connection in (*expected, at.connections.reader):
        values = [connection.execute(f"PRAGMA {name}").fetchall()[0][0] for name in ("journal_mode", "busy_timeout", "wal_autocheckpoint")]
        assert values == ["wal", 50, 1000]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        at.connections.reader.execute("DELETE FROM job")


async def test_an_answer_is_committed_before_it_is_given(at: Watched) -> None:
    answer = await at.push("a")

    assert answer.status is AnswerStatus.QUEUED
    assert seen_by_others(at.database.path, "SELECT count(*) FROM job, delivery") == [(1,)]


async def test_what_waits_together_is_committed_together(at: Watched) -> None:
    go = at.hold_writer()
    pushes = [asyncio.ensure_future(at.push("a", number=number)) for number in range(1, 51)]
    await until(lambda: at.database._writer._inbox.qsize() == 50)

    go.set()
    answers = await asyncio.gather(*pushes)

    assert {answer.status for answer in answers} == {AnswerStatus.QUEUED}
    assert at.commits() == (1, 1), "the blocker's own, and one for all fifty"
    assert seen_by_others(at.database.path, "SELECT count(*) FROM job") == [(50,)]


async def test_one_durable_member_makes_its_whole_group_durable(at: Watched) -> None:
    go = at.hold_writer()
    beat = asyncio.ensure_future(at.store.pools.beat(Beat("w1", 1, 1, NOON, 0)))
    push = asyncio.ensure_future(at.push("a"))
    await until(lambda: at.database._writer._inbox.qsize() == 2)

    go.set()
    await asyncio.gather(beat, push)

    assert at.commits() == (1, 1)
    assert any("INTO pool" in statement for statement in at.durable)


async def durable_writes(at: Watched) -> None:
    """Every verb that the port calls durable."""
    await at.push("a")
    lease = await at.claimed()
    await at.store.reviews.store(lease, REVIEW, at.now)
    reservation = await at.store.spend.reserve(lease, 0.1, Caps(1, 1, 1), at.now)
    await at.store.spend.settle(reservation, REVIEW.usage, 200, at.now)
    await at.settle(lease, Posted("r-1"))
    await at.store.switches.pause("By hand.", at.now)
    await at.store.switches.resume(at.now)


async def test_what_must_survive_a_power_cut_goes_through_the_durable_connection(at: Watched) -> None:
    await durable_writes(at)

    written = " ".join(at.durable)
    for row in (
        "INTO delivery",
        "INTO job",
        "INTO review",
        "INTO spend ",
        "UPDATE spend",
        "INTO pause",
        "DELETE FROM pause",
        "state = 'posted'",
    ):
        assert row in written, row
        assert row not in " ".join(at.relaxed), row
    assert any("state = 'running'" in statement for statement in at.relaxed), "a claim need not be durable"


async def test_heartbeats_and_what_is_handed_back_cost_no_fsync(at: Watched) -> None:
    await at.push("a")
    at.durable.clear()

    lease = await at.claimed()
    await at.jobs.renew(lease, 30)
    await at.jobs.begin(lease, at.now)
    await at.settle(lease, HandBack("A drain."))
    await at.store.pools.beat(Beat("w1", 1, 1, NOON, 0))

    assert at.commits()[0] == 0


async def test_an_idle_worker_leaves_the_write_lock_alone(at: Watched) -> None:
    assert await at.claim() is None
    assert await at.jobs.rescue(5, at.now) == []

    assert at.commits() == (0, 0)
    assert not any("BEGIN" in statement for statement in at.relaxed)


async def test_one_members_failure_leaves_the_others_alone(at: Watched) -> None:
    await at.push("a")
    lease = await at.claimed()
    go = at.hold_writer()
    refused = asyncio.ensure_future(at.store.spend.reserve(lease, 9.0, Caps(1, 1, 1), at.now))
    broken = at.database.submit(lambda db: db.execute("INSERT INTO job (id) VALUES (1)"), durable=True)
    wrong = at.database.submit(lambda _: os.environ["NO SUCH THING"], durable=True)
    push = asyncio.ensure_future(at.push("a", number=2))
    await until(lambda: at.database._writer._inbox.qsize() == 4)

    go.set()
    failures = await asyncio.gather(refused, broken, wrong, return_exceptions=True)

    assert [type(failure) for failure in failures] == [CapReached, StoreUnusable, KeyError]
    assert (await push).status is AnswerStatus.QUEUED
    assert seen_by_others(at.database.path, "SELECT count(*) FROM job") == [(2,)]


async def test_half_of_a_failed_member_is_not_kept(at: Watched) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO meta (key, value) VALUES ('half', 'x')")
        raise KeyError("no")

    with pytest.raises(KeyError):
        await at.database.write(half)
    assert seen_by_others(at.database.path, "SELECT * FROM meta WHERE key = 'half'") == []


# -- trouble with the disk -----------------------------------------------------------------------------


def fill(at: Watched) -> None:
    """No page can be added any more, as on a full disk."""
    for connection in (at.connections.durable, at.connections.relaxed):
        pages = connection.execute("PRAGMA page_count").fetchall()[0][0]
        connection.execute(f"PRAGMA max_page_count = {pages}")


def make_room(at: Watched) -> None:
    for connection in (at.connections.durable, at.connections.relaxed):
        connection.execute("PRAGMA max_page_count = 1000000")


async def test_a_full_disk_is_told_to_every_member_and_needs_no_restart(at: Watched) -> None:
    fill(at)
    big = "x" * 100_000
    outcomes = await asyncio.gather(*(at.push("a", number=number, author=big) for number in range(1, 21)), return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {StoreUnusable}
    assert all("no room" in str(outcome) for outcome in outcomes)
    assert seen_by_others(at.database.path, "SELECT count(*) FROM job") == [(0,)]

    make_room(at)
    assert (await at.push("a", author=big)).status is AnswerStatus.QUEUED


async def test_a_commit_that_fails_is_told_to_every_member(at: Watched) -> None:
    go = at.hold_writer()
    small = [asyncio.ensure_future(at.push("a", number=number)) for number in range(1, 4)]
    await until(lambda: at.database._writer._inbox.qsize() == 3)
    ends_the_transaction = at.database.submit(lambda db: db.execute("ROLLBACK"), durable=True)

    go.set()
    outcomes = await asyncio.gather(*small, ends_the_transaction, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {StoreUnusable}
    assert seen_by_others(at.database.path, "SELECT count(*) FROM job") == [(0,)]
    assert (await at.push("a")).status is AnswerStatus.QUEUED


async def test_a_dead_worker_whose_rescue_could_not_be_stored_is_still_known_to_be_dead(at: Watched) -> None:
    other = await opened_sqlite(at.database.path)
    await other.pools.beat(Beat("w9", 1, 1, NOON, 0))
    await at.pushed("a")
    assert await other.jobs.claim("w9", Capacity(4), 30, NOON) is not None
    await other.close()

    go = at.hold_writer()
    failing = asyncio.ensure_future(at.jobs.rescue(5, at.now))
    await until(lambda: at.database._writer._inbox.qsize() == 1)
    ends_the_transaction = at.database.submit(lambda db: db.execute("ROLLBACK"))
    go.set()
    outcomes = await asyncio.gather(failing, ends_the_transaction, return_exceptions=True)

    assert {type(outcome) for outcome in outcomes} == {StoreUnusable}
    assert len(await at.jobs.rescue(5, at.now)) == 1
    assert list(at.database.path.with_name("q.db.workers").iterdir()) == []


async def test_a_lock_file_for_which_there_is_no_room_is_said_in_a_sentence_and_not_kept_open(
    at: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        with pytest.raises(StoreUnusable, match="No space left on device"):
            await at.store.pools.beat(Beat("w1", 1, 1, NOON, 0))
    await at.store.pools.beat(Beat("w1", 1, 1, NOON, 0))
    assert len(await at.store.pools.alive(NOON)) == 1


async def test_a_lock_that_is_not_given_up_is_told_after_the_time_out(at: Watched) -> None:
    other = sqlite3.connect(at.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnusable, match="locked by another process"):
        await at.push("a")

    other.execute("ROLLBACK")
    other.close()
    assert (await at.push("a")).status is AnswerStatus.QUEUED


async def test_the_loop_reads_on_while_a_write_waits(at: Watched) -> None:
    go = at.hold_writer()
    push = asyncio.ensure_future(at.push("a"))

    assert await asyncio.wait_for(at.store.switches.paused(at.now), 5) is None
    assert (await asyncio.wait_for(at.jobs.depth(at.now), 5)).oldest_due is None
    assert not push.done()
    go.set()
    await push


async def test_a_store_that_cannot_be_written_says_so_for_a_second(at: Watched) -> None:
    other = sqlite3.connect(at.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnusable):
        await at.store.check_writable()
    other.execute("ROLLBACK")
    other.close()
    with pytest.raises(StoreUnusable):
        await at.store.check_writable()

    await at.clock.advance(1)
    await at.store.check_writable()
    at.durable.clear()
    await at.store.check_writable()
    assert at.commits()[0] == 0, "a healthy answer is remembered too"


async def test_a_disk_that_is_nearly_full_is_not_writable(at: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(at.database.path.parent)
    nearly_full = os.statvfs_result((*real[:3], 0, 0, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: nearly_full)

    with pytest.raises(StoreUnusable, match="16 MiB"):
        await at.store.check_writable()


async def test_a_database_that_was_moved_away_is_not_written_in_silence(at: Watched) -> None:
    at.database.path.rename(at.database.path.with_name("elsewhere.db"))

    with pytest.raises(StoreUnusable, match="moved or removed"):
        await at.push("a")
    at.database.path.with_name("elsewhere.db").rename(at.database.path)
    assert (await at.push("a")).status is AnswerStatus.QUEUED


# -- ending --------------------------------------------------------------------------------------------


async def test_a_worker_cancelled_while_it_takes_a_job_leaves_it_waiting(at: Watched) -> None:
    job = await at.pushed("a")
    go = at.hold_writer()
    taking = asyncio.ensure_future(at.jobs.claim("w1", Capacity(4), 30, at.now))
    await until(lambda: at.database._writer._inbox.qsize() == 1)

    taking.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await taking

    found = await at.job(job)
    assert (found.state, found.claim, found.attempts) == (State.QUEUED, 1, 0)


async def test_a_caller_that_gave_up_leaves_its_write_behind_whole(at: Watched) -> None:
    go = at.hold_writer()
    push = asyncio.ensure_future(at.push("a"))
    await until(lambda: at.database._writer._inbox.qsize() == 1)
    push.cancel()
    go.set()
    await at.store.switches.remember_login("later")

    assert len(await at.jobs.list([], None)) == 1


async def test_closing_writes_what_was_handed_in_and_leaves_one_file(at: Watched) -> None:
    pushes = [asyncio.ensure_future(at.push("a", number=number)) for number in range(1, 21)]
    await asyncio.wait(pushes, timeout=0)

    await at.store.close()

    assert {(await push).status for push in pushes} == {AnswerStatus.QUEUED}
    assert [entry.name for entry in at.database.path.parent.iterdir()] == ["q.db"]
    assert seen_by_others(at.database.path, "SELECT count(*) FROM job") == [(20,)]
    with pytest.raises(StoreUnusable, match="closed"):
        await at.push("a")
    with pytest.raises(StoreUnusable, match="closed"):
        await at.jobs.list([], None)


async def test_two_stores_on_one_file_share_everything(at: Watched) -> None:
    other = await opened_sqlite(at.database.path)
    for number in range(1, 9):
        await at.push("a", number=number)

    claims = [store.jobs.claim(f"w{n}", Capacity(3), 30, NOON) for n, store in enumerate([at.store, other] * 8)]
    leases = [lease for lease in await asyncio.gather(*claims) if lease is not None]

    assert len(leases) == len({lease.job.id for lease in leases}) == 3
    assert [await other.jobs.standing(lease) for lease in leases] == [Standing.HELD] * 3
    await at.store.switches.pause("By hand.", NOON)
    assert await other.switches.paused(NOON) is not None
    await other.close()
