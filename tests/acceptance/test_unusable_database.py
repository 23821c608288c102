"""A database that is locked, read-only, newer or damaged, before the program starts and while it runs: said, and survived."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.processes import until
from support.stage import WAIT_S, Served, Stage, get, logged

VERBS = {
    "status": [],
    "enqueue": ["octo/shop#1"],
    "review": ["octo/shop#1", "--agent", "scripted", "--allow-unsandboxed"],
    "work": ["--allow-unsandboxed"],
    "serve": ["--port", "0", "--ops-port", "0", "--allow-unsandboxed"],
}
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of the test's own."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[tuple[Stage, Path]]:
    """A stage and its database, which lies in a folder of its own."""
    path = folder / "database" / "queue.db"
    path.parent.mkdir(mode=0o700)
    with Stage(folder, workers=1, changes={"queue": {"url": f"sqlite:///{path}"}}) as stage:
        yield stage, path


async def expect_said(stage: Stage, sentence: str, *verbs: str) -> None:
    """Each of these verbs ends with 2 and one error that has this sentence and a remedy."""
    for code, out, err in await asyncio.gather(*(stage.run(verb, *VERBS[verb]) for verb in verbs)):
        assert (code, out) == (2, ""), err
        [error, remedy] = err.splitlines()
        assert error.startswith("error: The database ")
        assert sentence in error
        assert remedy.startswith("  ")


def mounts_read_only(folder: Path) -> bool:
    return not subprocess.run(["unshare", "-m", "sh", "-c", READ_ONLY, folder, "true"], check=False, capture_output=True).returncode


async def test_a_locked_a_newer_and_a_read_only_database_are_one_sentence_with_its_remedy_from_every_verb(tmp_path: Path) -> None:
    with staged(tmp_path) as (stage, path):
        assert (await stage.run("enqueue", "octo/shop#1"))[0] == 0
        with connected(path) as db:
            db.execute("BEGIN EXCLUSIVE")
            assert (await stage.told("status"))["queued"] == 1, "who reads is not locked out"
            await expect_said(stage, "is locked by another process.", "enqueue", "review", "work", "serve")
            db.execute("ROLLBACK")
            [version] = db.execute("PRAGMA user_version").fetchone()
            db.execute("PRAGMA user_version = 999")
        await expect_said(stage, "was written by a newer prreview", "review", "work")
        with connected(path) as db:
            db.execute(f"PRAGMA user_version = {version}")
        if os.geteuid() == 0 and mounts_read_only(path.parent):
            stage.program = ("unshare", "-m", "sh", "-c", READ_ONLY, str(path.parent), *stage.program)
        elif os.geteuid() == 0:
            pytest.skip("root may write everywhere, and no read-only mount can be made here")
        else:
            path.parent.chmod(0o500)
        try:
            await expect_said(stage, "it or its folder is read-only for this user", *VERBS)
        finally:
            path.parent.chmod(0o700)


async def sent(stage: Stage, served: Served) -> httpx.Response:
    delivery = stage.delivery(1)
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as client:
        return await client.post(served.webhook, content=delivery.body, headers=delivery.headers)


async def test_a_database_that_is_locked_for_a_while_is_503_and_then_all_goes_on(tmp_path: Path) -> None:
    with staged(tmp_path) as (stage, path):
        async with stage.serving() as served:
            with connected(path) as db:
                db.execute("BEGIN EXCLUSIVE")
                assert (await sent(stage, served)).status_code == 503
                assert (await get(f"{served.ops}/readyz")).status_code == 503
            assert (await sent(stage, served)).status_code == 200
            await stage.posted(1)
            assert await served.terminate() == 0


def flip_page_of(path: Path, table: str) -> None:
    """Overwrite the first page of a table in the file itself, as a dying disk would."""
    with connected(path) as db:
        assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        [[page]] = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchall()
        [[size]] = db.execute("PRAGMA page_size").fetchall()
        with path.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('touched', 'x')")  # nobody goes on with what it remembers


async def test_a_page_that_is_damaged_while_it_runs_is_told_by_all_and_nobody_spins(tmp_path: Path) -> None:
    with staged(tmp_path) as (stage, path):
        async with stage.serving() as served:
            flip_page_of(path, "pause")
            await until(lambda: bool(logged(stage, "queue_unusable")))
            assert (await get(f"{served.ops}/readyz")).status_code == 503
            assert (await sent(stage, served)).status_code == 503
            async with asyncio.timeout(WAIT_S):  # a healthy answer is remembered for a second
                while (await get(f"{served.root}/healthz")).status_code != 503:
                    pass
            assert await served.terminate() == 0
        [said] = logged(stage, "queue_unusable")
        assert said["reason"].endswith("is damaged.")
        assert "backup" in said["remedy"]
        assert "Traceback" not in served.stderr.read_text()
        await expect_said(stage, "is damaged.", "status", "review")
