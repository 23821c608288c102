from __future__ import annotations

import bz2
import gzip
import json
import os
import random
import shutil
import socket
import sqlite3
import sys
import tarfile
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
import zstandard

from prreview_cli.audit import Search, unpacking
from prreview_cli.audit import search as searching
from prreview_cli.audit.places import Place
from prreview_cli.core.errors import ExitCode
from prreview_cli.secrecy import Matcher, Secret
from support.leaks import BODY, KEY, TOKENS, log_lines

MATCHER = Matcher({"prod/model_api_key": Secret(KEY)})
LOG = log_lines(300)
LEAKY = f"{LOG}a line with {KEY} in it\n{LOG}".encode()
LINE, OFFSET = 301, LEAKY.index(BODY.encode())
NOISE = random.Random(7).randbytes(200_000)


def audit(*paths: Path, exclude: tuple[str, ...] = ()) -> Search:
    search = Search(MATCHER)
    for path in paths:
        search.path(path, exclude)
    return search


def found(search: Search) -> list[tuple[str, int, int]]:
    return [(Path(finding.source).name, finding.line, finding.offset) for finding in search.report.findings]


def gaps(search: Search) -> dict[str, str]:
    return {Path(gap.source).name: gap.reason for gap in search.report.not_scanned}


def skippable(content: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


PACKED = {
    "plain": LEAKY,
    "gzip": gzip.compress(LEAKY),
    "gzip members": gzip.compress(LEAKY[:1_000]) + gzip.compress(b"") + gzip.compress(LEAKY[1_000:]) + bytes(512),
    "zstd": zstandard.compress(LEAKY),
    "zstd frames": skippable(b"index") + zstandard.compress(LEAKY[:1_000]) + zstandard.compress(LEAKY[1_000:]) + skippable(b"end"),
    "zstd without size": zstandard.ZstdCompressor(write_content_size=False).compress(LEAKY),
    "gzip in zstd": zstandard.compress(gzip.compress(LEAKY)),
}


@pytest.mark.parametrize("name", ["log", "log.gz", "log.zst"])
@pytest.mark.parametrize("packing", PACKED)
def test_a_file_is_unpacked_by_what_is_in_it_whatever_its_name(tmp_path: Path, packing: str, name: str) -> None:
    (tmp_path / name).write_bytes(PACKED[packing])

    search = audit(tmp_path)

    assert found(search) == [(name, LINE, OFFSET)]
    assert gaps(search) == {}
    assert search.report.scanned_bytes == len(LEAKY)
    assert (search.report.sources, search.report.exit_code) == (1, ExitCode.BROKEN)


@pytest.mark.parametrize("packing", PACKED)
def test_a_stream_is_unpacked_as_well(packing: str) -> None:
    search = Search(MATCHER)

    search.stream(BytesIO(PACKED[packing]))

    assert found(search) == [("-", LINE, OFFSET)]


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        (gzip.compress(LEAKY + NOISE)[:-1_000], "ends too early"),
        (gzip.compress(LEAKY + NOISE)[:-4], "ends too early"),
        (gzip.compress(LEAKY) + b"something else", "damaged"),
        (gzip.compress(LEAKY)[:-8] + bytes(8), "damaged"),
        (gzip.compress(LEAKY) + gzip.compress(NOISE)[:5], "ends too early"),
        (zstandard.compress(LEAKY + NOISE)[:-1_000], "ends too early"),
        (zstandard.compress(LEAKY) + zstandard.compress(NOISE)[:7], "ends too early"),
        (zstandard.compress(LEAKY) + b"something else", "damaged"),
    ],
)
def test_what_is_whole_of_damaged_data_is_searched_and_the_rest_is_named(tmp_path: Path, packed: bytes, reason: str) -> None:
    (tmp_path / "log").write_bytes(packed)

    search = audit(tmp_path)

    assert found(search) == [("log", LINE, OFFSET)]
    assert reason in gaps(search)["log"]


@pytest.mark.parametrize("head", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh91AY&SY", b"PK\x03\x04", b"\x04\x22\x4d\x18"])
def test_packed_data_that_cannot_be_read_is_never_a_clean_bill(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "log").write_bytes(head + NOISE[:100])

    search = audit(tmp_path)

    assert list(gaps(search)) == ["log"]
    assert search.report.exit_code is ExitCode.INCOMPLETE


def test_a_bomb_is_searched_in_little_memory_up_to_a_bound_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED", 20 << 20)
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(30 << 20)))
    (tmp_path / "b.zst").write_bytes(zstandard.compress(bytes(64 << 20)))

    search = audit(tmp_path)

    assert set(gaps(search)) == {"a.gz", "b.zst"}
    assert all("unpacks to more than" in reason for reason in gaps(search).values())
    assert search.report.scanned_bytes <= 40 << 20


def test_a_zstd_window_that_takes_too_much_memory_is_named_with_the_way_around_it(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    packing = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    (tmp_path / "log").write_bytes(packing.compress(LEAKY) + packing.flush())

    assert "--long" in gaps(audit(tmp_path))["log"]


@pytest.mark.parametrize("size", [0, 1, unpacking.BLOCK - 1, unpacking.BLOCK, unpacking.BLOCK + 1, 2 * unpacking.BLOCK - 1])
def test_a_secret_at_the_end_of_any_number_of_blocks_is_found(tmp_path: Path, size: int) -> None:
    for shift in (0, 30, len(BODY)):
        (tmp_path / "log").write_bytes(b"x" * max(0, size - shift) + b" " + BODY.encode())

        assert found(audit(tmp_path / "log")) == [("log", 1, max(0, size - shift) + 1)]


def test_a_database_is_searched_in_bytes_and_columns_and_its_log_of_writes_too(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA wal_autocheckpoint=0")
    db.execute("CREATE TABLE deliveries (body TEXT, raw BLOB)")
    db.execute('CREATE TABLE "odd ""name" (k TEXT PRIMARY KEY, rowid TEXT) WITHOUT ROWID')
    first = db.execute("PRAGMA page_size").fetchone()[0]
    for length in range(first - 80, first - 20):  # one of them is cut where the overflow begins
        db.execute("INSERT INTO deliveries VALUES (?, NULL)", ("z" * length + KEY,))
    db.execute('INSERT INTO "odd ""name" VALUES (?, 1)', (KEY,))
    db.execute("INSERT INTO deliveries VALUES (NULL, ?)", (b"\xff\x00" + KEY.encode(),))
    db.commit()

    search = audit(path)
    db.close()

    by_source: dict[str, list[int]] = {}
    for finding in search.report.findings:
        by_source.setdefault(Path(finding.source).name, []).append(finding.line)
    assert by_source["queue.db#deliveries.body"] == list(range(1, 61))
    assert by_source["queue.db#deliveries.raw"] == [61]
    assert by_source['queue.db#odd "name.k'] == [1]
    assert len(by_source["queue.db-wal"]) >= 59
    assert gaps(search) == {}
    assert search.report.sources == 2


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_database_may_have_any_name(tmp_path: Path, mode: str) -> None:
    name = "odd?mode=rwc#%41 \udcff.db"
    db = sqlite3.connect(tmp_path / "q.db")
    db.execute(f"PRAGMA journal_mode={mode}")
    db.execute("CREATE TABLE t (a TEXT)")
    db.execute("INSERT INTO t VALUES (?)", (KEY,))
    db.commit()
    for beside in list(tmp_path.iterdir()):
        shutil.copy(beside, tmp_path / beside.name.replace("q.db", name))
        beside.unlink()
    db.close()

    search = audit(tmp_path)

    assert f"{name}#t.a" in [source for source, _, _ in found(search)]
    assert gaps(search) == {}


@pytest.mark.parametrize(("whole", "damaged"), [(b"column", b"col\xffmn"), (b"CREATE", b"CRE\xffTE")])
def test_a_database_with_a_damaged_schema_is_named_and_the_rest_is_searched(tmp_path: Path, whole: bytes, damaged: bytes) -> None:
    db = sqlite3.connect(tmp_path / "a.db")
    db.execute('CREATE TABLE t ("column" TEXT)')
    db.execute("INSERT INTO t VALUES (?)", (KEY,))
    db.commit()
    db.close()
    (tmp_path / "a.db").write_bytes((tmp_path / "a.db").read_bytes().replace(whole, damaged))
    (tmp_path / "b.log").write_bytes(LEAKY)

    search = audit(tmp_path)

    assert [name for name, _, _ in found(search)] == ["a.db", "b.log"]
    assert "a name that is not UTF-8" in gaps(search)["a.db"]


def test_what_was_deleted_is_still_found_in_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA secure_delete=OFF")
    db.execute("CREATE TABLE t (a TEXT)")
    db.execute("INSERT INTO t VALUES (?)", (KEY,))
    db.commit()
    db.execute("DELETE FROM t")
    db.commit()
    db.close()

    assert {name for name, _, _ in found(audit(path))} == {"queue.db"}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["queue.db"]


def test_a_database_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t (a TEXT)")
    db.executemany("INSERT INTO t VALUES (?)", [("x" * 900,)] * 100)
    db.execute("CREATE TABLE big (a BLOB)")
    db.execute("INSERT INTO big VALUES (zeroblob(17000000))")
    db.commit()
    db.close()
    data = bytearray(path.read_bytes())
    data[4096:8192] = NOISE[:4096]
    path.write_bytes(data)
    (tmp_path / "torn.db").write_bytes(bytes(data[:600]))
    (tmp_path / "stream.gz").write_bytes(gzip.compress(bytes(data)))

    named = gaps(audit(tmp_path))

    assert "table t: database disk image is malformed" in named["queue.db"]
    assert "table big: a value of more than 16 MiB" in named["queue.db"]
    assert "columns were not all read" in named["torn.db"]
    assert "name it as a file" in named["stream.gz"]


def test_a_folder_is_searched_to_its_bottom_without_what_is_excluded_and_without_leaving_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(LEAKY)
    folder = tmp_path / "logs"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "cache").mkdir()
    for name in ("deep/er/a.log", "cache/b.log", "c.tmp", "odd\nname \udcff"):
        (folder / name).write_bytes(LEAKY)
    (folder / "to-outside").symlink_to(outside)
    (folder / "to-parent").symlink_to("..")
    (folder / "within").symlink_to("deep")
    (folder / "loop").symlink_to("loop")
    os.link(folder / "deep" / "er" / "a.log", folder / "z-same.log")
    os.mkfifo(folder / "pipe")

    search = audit(folder, exclude=("cache", "*.tmp"))

    assert [name for name, _, _ in found(search)] == ["a.log", "odd\nname \udcff"]
    assert search.report.sources == 2
    reasons = gaps(search)
    assert set(reasons) - {"loop"} == {"to-outside", "to-parent", "pipe"}
    assert "leads out" in reasons["to-outside"]
    assert reasons["pipe"] == "a named pipe, not a file"


def test_a_socket_in_a_folder_is_named_and_a_named_file_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "logs" / "s"))
    (tmp_path / "real").write_bytes(LEAKY)
    (tmp_path / "link").symlink_to("real")

    search = audit(tmp_path / "logs", tmp_path / "link", tmp_path / "real", Path(os.devnull))

    assert found(search) == [("link", LINE, OFFSET)]  # and not a second time by its own name
    assert gaps(search) == {"s": "a socket, not a file", "null": "it is neither a file nor a pipe"}


def test_a_pipe_that_is_named_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(LEAKY),))
    writer.start()

    search = audit(pipe)
    writer.join()

    assert found(search) == [("pipe", LINE, OFFSET)]


def test_a_log_that_grows_while_it_is_read_has_an_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(LEAKY)
    search = Search(MATCHER)

    def grow(_: str) -> None:
        with path.open("ab") as log:
            log.write(LEAKY)

    search.on_progress = grow
    search.path(path)

    assert found(search) == [("log", LINE, OFFSET)]
    assert gaps(search) == {}


def test_a_log_that_is_cut_or_taken_away_while_it_is_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "BLOCK", 1_000)
    monkeypatch.setattr(unpacking, "BLOCK", 1_000)
    for name in "ab":
        (tmp_path / name).write_bytes(LEAKY)
    search = Search(MATCHER)

    def cut(_: str) -> None:
        os.truncate(tmp_path / "a", 2_000)
        (tmp_path / "b").unlink(missing_ok=True)

    search.on_progress = cut
    search.path(tmp_path)

    assert gaps(search) == {"a": "it became shorter while it was read", "b": "it went away while the audit ran"}


def test_what_may_not_be_read_is_named_and_the_rest_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(LEAKY)
    (tmp_path / "b").write_bytes(LEAKY)
    really = os.open

    def refusing(path: Path, flags: int) -> int:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, flags)

    monkeypatch.setattr(os, "open", refusing)

    search = audit(tmp_path)

    assert found(search) == [("b", LINE, OFFSET)]
    assert gaps(search) == {"a": "it cannot be read: permission denied"}


def test_no_part_of_a_value_is_in_the_report_even_where_a_file_is_named_after_it(tmp_path: Path) -> None:
    (tmp_path / KEY).write_bytes(LEAKY + "\n".join(TOKENS.values()).encode())
    (tmp_path / f"{KEY}.gz").write_bytes(b"\x1f\x8b\x08")

    search = audit(tmp_path)

    told = json.dumps(search.report.to_json())
    assert len(search.report.findings) == 1 + len(TOKENS)
    assert not [at for at in range(len(BODY) - 7) if BODY[at : at + 8] in told]
    assert not [token for token in TOKENS.values() if token[:24] in told]


def test_a_log_of_nothing_but_findings_is_told_in_part_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MAX_FINDINGS", 10)
    (tmp_path / "log").write_bytes(f"{KEY}\n".encode() * 20_000)

    search = audit(tmp_path)

    assert 10 <= len(search.report.findings) < 20_000
    assert "10 findings or more" in gaps(search)["log"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_packed_value_in_a_database_is_unpacked_and_searched(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    with sqlite3.connect(tmp_path / "queue.db") as db:
        db.execute("CREATE TABLE delivery_body (id INTEGER PRIMARY KEY, body BLOB)")
        db.execute("INSERT INTO delivery_body VALUES (7, ?)", (pack(LEAKY),))
    db.close()

    search = audit(tmp_path / "queue.db")

    assert found(search) == [("queue.db#delivery_body.body", 7, OFFSET)]
    assert gaps(search) == {}


def test_a_packed_value_that_is_damaged_is_searched_as_far_as_it_goes_and_named(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "queue.db") as db:
        db.execute("CREATE TABLE delivery_body (id INTEGER PRIMARY KEY, body BLOB)")
        db.execute("INSERT INTO delivery_body VALUES (7, ?)", (gzip.compress(LEAKY)[:-4],))
    db.close()

    search = audit(tmp_path / "queue.db")

    assert found(search) == [("queue.db#delivery_body.body", 7, OFFSET)]
    assert list(gaps(search)) == ["queue.db#delivery_body.body"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"\xfd7zXZ\0" + NOISE[:100], "packed as xz"),
        (b"PK\x03\x04" + NOISE[:100], "packed as zip"),
        (gzip.compress(gzip.compress(LEAKY)), "packed as gzip"),
        (zstandard.compress(b"BZh91AY&SY" + NOISE[:100]), "packed as bzip2"),
    ],
)
def test_a_value_in_a_database_that_is_not_unpacked_is_named_once_a_column(tmp_path: Path, value: bytes, reason: str) -> None:
    with sqlite3.connect(tmp_path / "queue.db") as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)")
        db.executemany("INSERT INTO t VALUES (?, ?)", [(number, value) for number in range(7, 12)])
    db.close()

    search = audit(tmp_path / "queue.db")

    (gap,) = search.report.not_scanned
    assert gap.source.endswith("queue.db#t.body")
    assert gap.reason.startswith("row 7")
    assert reason in gap.reason
    assert search.report.exit_code is ExitCode.INCOMPLETE


def archive(members: dict[str, bytes]) -> bytes:
    made = BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return made.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("packed", [gzip.compress, zstandard.compress, bz2.compress])
def test_an_archive_is_searched_and_named_if_a_file_in_it_is_packed(
    tmp_path: Path, pack: Callable[[bytes], bytes], packed: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "a.tar").write_bytes(pack(archive({"noise": NOISE, "old.log": packed(LEAKY), "empty": b""})))
    (tmp_path / "b.tar").write_bytes(pack(archive({"noise": NOISE, "a.log": LEAKY})))

    search = audit(tmp_path)

    assert [name for name, _, _ in found(search)] == ["b.tar"]
    assert list(gaps(search)) == ["a.tar"]
    assert "a file in it is packed" in gaps(search)["a.tar"]


def test_a_log_that_is_rotated_to_a_new_name_while_its_folder_is_searched_is_searched_too(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"clean")
    (tmp_path / "log.1").write_bytes(LEAKY)
    search = Search(MATCHER)

    def rotate(_: str) -> None:
        if not (tmp_path / "log.2").exists():
            (tmp_path / "log.1").replace(tmp_path / "log.2")
            (tmp_path / "log").replace(tmp_path / "log.1")

    search.on_progress = rotate
    search.path(tmp_path)

    assert found(search) == [("log.2", LINE, OFFSET)]
    assert gaps(search) == {}
    assert search.report.sources == 2


def test_what_is_not_searched_is_named_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "log.gz").write_bytes(b"\x1f\x8b\x08")

    assert [Path(gap.source).name for gap in audit(tmp_path, tmp_path).report.not_scanned] == ["log.gz", "pipe"]


def test_a_pipe_in_the_place_of_a_file_of_a_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").write_bytes(LEAKY)
    really = os.open

    def swapped(path: Path, flags: int) -> int:
        (tmp_path / "log").unlink(missing_ok=True)
        os.mkfifo(tmp_path / "log")
        return really(path, flags)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", swapped)
        search = Search(MATCHER)
        search._place(Place(tmp_path / "log"))

    assert gaps(search) == {"log": "it is neither a file nor a pipe"}


def test_a_folder_may_be_deeper_than_python_calls(tmp_path: Path) -> None:
    depth = sys.getrecursionlimit() + 50
    for number in range(1, depth):
        os.mkdir(f"{tmp_path}{'/d' * number}")  # noqa: PTH102 - Path parses each of the names
    bottom = f"{tmp_path}{'/d' * (depth - 1)}/log"
    with open(bottom, "wb") as log:  # noqa: PTH123 - as above
        log.write(LEAKY)

    try:
        assert found(audit(tmp_path)) == [("log", LINE, OFFSET)]
    finally:  # pytest's own way to clear a folder calls itself for each
        os.unlink(bottom)  # noqa: PTH108 - as above
        os.removedirs(os.path.dirname(bottom))  # noqa: PTH120 - as above
        tmp_path.mkdir(exist_ok=True)
