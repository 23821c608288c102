"""Opening a database: private, local, ours, whole and not from the future; anything else is told in a sentence."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from prreview_cli.core.errors import NotYetKept, ProfileError, PrreviewError, StoreUnusable
from prreview_cli.core.ports.store import Beat
from prreview_cli.store import open_store
from prreview_cli.store.sqlite import SqliteStore, parse_sqlite_url
from prreview_cli.store.sqlite.location import file_system, refuse_network
from prreview_cli.store.sqlite.migrate import migrations
from support.clocks import FakeClock
from support.stores import NOON, OWNER, Bench, opened_sqlite, sqlite_url

ROOT = os.geteuid() == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "q.db"


@pytest.fixture
async def closing() -> AsyncIterator[list[SqliteStore]]:
    stores: list[SqliteStore] = []
    yield stores
    for store in stores:
        await store.close()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def set_mode(path: Path, bits: int) -> None:
    path.chmod(bits)


def make_folder(path: Path) -> None:
    path.mkdir()


def exists(path: Path) -> bool:
    return path.exists()


async def refused(path: Path, **changes: str) -> PrreviewError:
    """Why the file cannot be opened; a full sentence with a remedy, and no file is left open."""
    with pytest.raises(StoreUnusable) as failure:
        await opened_sqlite(path, **changes)
    error = failure.value
    assert str(error).endswith(".")
    assert error.remedy
    return error


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o177])
async def test_nobody_else_can_read_the_database(tmp_path: Path, umask: int, closing: list[SqliteStore]) -> None:
    folder = tmp_path / "deep" / "state"
    before = os.umask(umask & ~0o100)
    try:
        store = await opened_sqlite(folder / "q.db")
        closing.append(store)
        await store.pools.beat(Beat("w1", 1, 1, NOON, 0))
        await Bench(store, FakeClock()).push("a")
    finally:
        os.umask(before)

    files = {entry.name: mode(entry) for entry in folder.iterdir()}
    assert files == {"q.db": 0o600, "q.db-wal": 0o600, "q.db-shm": 0o600, "q.db.workers": 0o700}
    assert [mode(entry) for entry in (folder / "q.db.workers").iterdir()] == [0o600]
    assert (mode(folder), mode(folder.parent)) == (0o700, 0o700)


async def test_a_restored_file_that_others_could_read_is_made_private(path: Path, closing: list[SqliteStore]) -> None:
    await (await opened_sqlite(path)).close()
    set_mode(path, 0o644)

    closing.append(await opened_sqlite(path))

    assert mode(path) == 0o600


async def test_what_was_stored_is_there_after_a_restart(path: Path, closing: list[SqliteStore]) -> None:
    store = await opened_sqlite(path)
    job = await Bench(store, FakeClock()).pushed("a")
    await store.close()

    again = await opened_sqlite(path)
    closing.append(again)

    bench = Bench(again, FakeClock())
    assert (await bench.push("a")).job == job
    assert (await bench.claimed()).job.id == job


async def test_a_database_belongs_to_one_environment_and_one_host(path: Path) -> None:
    await (await opened_sqlite(path)).close()

    assert "belongs to the environment 'test', not to 'prod'" in str(await refused(path, environment="prod"))
    assert "belongs to the host" in str(await refused(path, host="github https://elsewhere.example"))


async def test_a_database_newer_than_the_program_is_refused(path: Path) -> None:
    await (await opened_sqlite(path)).close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {len(migrations()) + 1}")
    db.close()

    assert "newer prreview" in str(await refused(path))


async def test_another_programs_database_is_refused_and_left_as_it_was(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (x)")
    db.commit()
    db.close()

    assert "another program" in str(await refused(path))
    db = sqlite3.connect(path)
    assert db.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
    db.close()


async def test_another_programs_database_at_our_version_is_refused_too(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (x)")
    db.execute(f"PRAGMA user_version = {len(migrations())}")
    db.close()

    assert "another program" in str(await refused(path))


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    write(path, b"GARBAGE " * 1000)

    assert "is not a database" in str(await refused(path))


async def test_a_damaged_database_is_refused(path: Path) -> None:
    await (await opened_sqlite(path)).close()
    content = bytearray(contents(path))
    content[100:4096] = b"\xff" * 3996
    write(path, bytes(content))

    assert "damaged" in str(await refused(path))


async def test_a_folder_in_the_files_place_is_refused(path: Path) -> None:
    make_folder(path)

    assert "not a regular file" in str(await refused(path))


async def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    await refused(tmp_path / "state" / "q.db")


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
async def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    set_mode(tmp_path, 0o500)
    try:
        await refused(tmp_path / "q.db")
    finally:
        set_mode(tmp_path, 0o700)


async def test_a_database_that_must_exist_is_not_created(path: Path, closing: list[SqliteStore]) -> None:
    with pytest.raises(StoreUnusable, match="no database at"):
        await opened_sqlite(path, must_exist=True)
    assert not exists(path)

    await (await opened_sqlite(path)).close()
    closing.append(await opened_sqlite(path, must_exist=True))


async def test_a_link_of_our_own_leads_to_the_database(tmp_path: Path, closing: list[SqliteStore]) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "real" / "q.db")

    closing.append(await opened_sqlite(link))

    assert (tmp_path / "real" / "q.db").exists()
    assert (tmp_path / "real" / "q.db-wal").exists()


@pytest.mark.skipif(not ROOT, reason="only root can plant another user's link")
async def test_a_link_that_another_user_planted_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "q.db"
    link.symlink_to(tmp_path / "stolen.db")
    os.lchown(link, 65534, 65534)

    assert "another user" in str(await refused(link))
    assert not (tmp_path / "stolen.db").exists()


async def test_many_openings_at_once_in_one_process_work(path: Path) -> None:
    stores = await asyncio.gather(*(opened_sqlite(path) for _ in range(12)))
    answers = await asyncio.gather(*(Bench(store, FakeClock()).push("a") for store in stores))

    assert sorted(answer.status for answer in answers) == ["duplicate"] * 11 + ["queued"]
    await asyncio.gather(*(store.close() for store in stores))


MOUNTS = r"""/dev/vda / ext4 rw 0 0
filer:/export /srv nfs4 rw 0 0
/dev/vdb /srv/local\040disk ext4 rw 0 0
me@there: /home/me/remote fuse.sshfs rw 0 0
//there/share /mnt/share cifs rw 0 0
tmpfs /mnt/share tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/prreview", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/queue", "nfs4"),
        ("/srvother", "ext4"),
        ("/srv/local disk/q", "ext4"),
        ("/home/me/remote/q", "fuse.sshfs"),
        ("/mnt/share", "tmpfs"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_its_deepest_mount(folder: str, kind: str) -> None:
    assert file_system(Path(folder), MOUNTS) == kind


@pytest.mark.parametrize("folder", ["/srv/queue", "/home/me/remote/q"])
def test_a_network_file_system_is_refused(tmp_path: Path, folder: str) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)

    with pytest.raises(StoreUnusable, match="network file system"):
        refuse_network(Path(folder), mounts)
    refuse_network(Path("/srv/local disk"), mounts)


def test_a_url_names_an_absolute_path() -> None:
    assert parse_sqlite_url("sqlite:////var/lib/prreview/queue.db") == Path("/var/lib/prreview/queue.db")
    for wrong in ("sqlite:///queue.db", "sqlite://host/queue.db", "sqlite:queue.db", "/queue.db", "sqlite:////a/b/", "sqlite:////a\0b", ""):
        with pytest.raises(StoreUnusable, match="absolute path"):
            parse_sqlite_url(wrong)


async def test_a_store_is_opened_by_its_url(path: Path) -> None:
    store = await open_store(sqlite_url(path), clock=FakeClock(), **OWNER)
    await store.check_writable()
    await store.close()

    with pytest.raises(NotYetKept):
        await open_store("postgresql://localhost/prreview", clock=FakeClock(), **OWNER)
    with pytest.raises(ProfileError):
        await open_store("mysql://localhost/prreview", clock=FakeClock(), **OWNER)
