"""Every format crossed with every encoding: a secret is found, and named, in each cell."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
import zstandard

from prreview_cli.audit import Search
from prreview_cli.secrecy import Matcher, Secret
from support.journals import exported, stand_in
from support.leaks import BODY, ENCODED, KEY, log_lines

MATCHER = Matcher({"prod/model_api_key": Secret(KEY)})
LOG = log_lines(12)

ENCODINGS: dict[str, Callable[[str], str]] = ENCODED | {
    "utf-16": lambda value: value.encode("utf-16-le").decode("latin-1"),
    "utf-16, big-endian": lambda value: value.encode("utf-16-be").decode("latin-1"),
    "cut short": lambda value: f"{value[: len(value) // 2]}…",
    "wrapped": lambda value: "\n  | ".join(value[at : at + 11] for at in range(0, len(value), 11)),
    "hex, wrapped": lambda value: "\n".join(value.encode().hex()[at : at + 20] for at in range(0, 2 * len(value), 20)),
    "json of base64": lambda value: json.dumps({"header": ENCODED["base64"](f"x-access-token:{value}")}),
    "url of json": lambda value: ENCODED["url"](json.dumps({"key": value})),
    "html of base64url": lambda value: ENCODED["html"](f'<a href="?t={ENCODED["base64url"](value)}">'),
}


def _file(pack: Callable[[bytes], bytes]) -> Callable[[Path, str], Search]:
    def audited(folder: Path, text: str) -> Search:
        (folder / "log").write_bytes(pack(text.encode()))
        return _searched(folder / "log")

    return audited


def _text(codec: str, mark: str = "") -> Callable[[Path, str], Search]:
    def audited(folder: Path, text: str) -> Search:
        (folder / "log").write_bytes((mark + text).encode(codec))
        return _searched(folder / "log")

    return audited


def _searched(path: Path) -> Search:
    search = Search(MATCHER)
    search.path(path)
    return search


def _members(data: bytes) -> bytes:
    """Two members, the secret in both."""
    middle = len(data) - len(data) // 4
    return gzip.compress(data[:middle]) + gzip.compress(data[middle:])


def _folder(folder: Path, text: str) -> Search:
    deep = folder / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "log").write_bytes(gzip.compress(text.encode()))
    return _searched(folder)


def _stream(_: Path, text: str) -> Search:
    search = Search(MATCHER)
    search.stream(BytesIO(zstandard.compress(text.encode())))
    return search


def _database(folder: Path, text: str) -> Search:
    with closing(sqlite3.connect(folder / "q.db")) as db, db:
        db.execute("CREATE TABLE t (a TEXT, b BLOB)")
        db.execute("INSERT INTO t VALUES (?, NULL)", (text,))
        db.execute("INSERT INTO t VALUES (NULL, ?)", (gzip.compress(text.encode()),))
    search = _searched(folder / "q.db")
    assert {"q.db#t.a", "q.db#t.b"} <= {Path(finding.source).name for finding in search.report.findings}
    return search


def _write_ahead_log(folder: Path, text: str) -> Search:
    with closing(sqlite3.connect(folder / "q.db", isolation_level=None)) as db:
        for pragma in ("journal_mode=WAL", "wal_autocheckpoint=0", "secure_delete=ON"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute("CREATE TABLE t (a TEXT)")
        db.execute("INSERT INTO t VALUES (?)", (text[-900:],))  # in one page: what overflows is split in the raw bytes
        db.execute("DELETE FROM t")
        search = _searched(folder / "q.db")
    assert {Path(finding.source).name for finding in search.report.findings} == {"q.db-wal"}
    return search


def _rollback_journal(folder: Path, text: str) -> Search:
    with closing(sqlite3.connect(folder / "q.db", isolation_level=None)) as db:
        for pragma in ("journal_mode=PERSIST", "secure_delete=ON"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        db.execute("CREATE TABLE t (a TEXT)")
        db.execute("INSERT INTO t VALUES (?)", (text[-900:],))
        db.execute("DELETE FROM t")
    search = _searched(folder / "q.db")
    assert {Path(finding.source).name for finding in search.report.findings} == {"q.db-journal"}
    return search


def _journal(folder: Path, text: str) -> Search:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PATH", stand_in(folder, exported([[("MESSAGE", text.encode())]])))
        search = Search(MATCHER)
        search.journal("prreview.service")
    return search


def _transcript(folder: Path, text: str) -> Search:
    """As the CLI writes one: JSON lines, what a tool said within."""
    said = {"type": "user", "message": {"role": "user", "content": [{"type": "tool_result", "content": text}]}}
    (folder / "session.jsonl").write_text(json.dumps(said) + "\n")
    return _searched(folder / "session.jsonl")


FORMATS: dict[str, Callable[[Path, str], Search]] = {
    "plain": _file(bytes),
    "gz": _file(gzip.compress),
    "gz, several members": _file(_members),
    "zst": _file(zstandard.compress),
    "gz in zst": _file(lambda data: zstandard.compress(gzip.compress(data))),
    "utf-16, little-endian": _text("utf-16-le"),
    "utf-16, little-endian, marked": _text("utf-16-le", "\ufeff"),
    "utf-16, big-endian": _text("utf-16-be"),
    "utf-16, big-endian, marked": _text("utf-16-be", "\ufeff"),
    "folder": _folder,
    "stream": _stream,
    "sqlite": _database,
    "sqlite, write-ahead log": _write_ahead_log,
    "sqlite, rollback journal": _rollback_journal,
    "journal": _journal,
    "transcript": _transcript,
}
# JSON writes each NUL of UTF-16 as six letters: what is left is no encoding that anybody decodes.
NONE = {("transcript", "utf-16"), ("transcript", "utf-16, big-endian")}


@pytest.mark.parametrize(
    ("kind", "encoding"), [(kind, encoding) for kind in FORMATS for encoding in ENCODINGS if (kind, encoding) not in NONE]
)
def test_a_secret_is_found_and_named_in_every_format_and_encoding(tmp_path: Path, kind: str, encoding: str) -> None:
    search = FORMATS[kind](tmp_path, f"{LOG}x{ENCODINGS[encoding](f' {KEY} ')} \n")

    told = {(finding.kind, finding.name, finding.environment) for finding in search.report.findings}
    assert told == {("known", "model_api_key", "prod")}
    assert all(finding.encoding for finding in search.report.findings)
    assert search.report.not_scanned == []
    assert not [at for at in range(len(BODY) - 7) if BODY[at : at + 8] in json.dumps(search.report.to_json())]
