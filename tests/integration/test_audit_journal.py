"""The journal, as its export has it: from a stand-in `journalctl`, and from the real one where there is one."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
from pathlib import Path

import pytest

from prreview_cli.audit import Search, journal
from prreview_cli.audit.unpacking import Unfinished
from prreview_cli.core.errors import ExitCode
from prreview_cli.secrecy import Matcher, Secret
from support.journals import exported, stand_in
from support.leaks import KEY, TOKENS

MATCHER = Matcher({"prod/model_api_key": Secret(KEY)})
UNIT = "prreview.service"
CLEAN = [("__CURSOR", b"s=1"), ("MESSAGE", b"all is well"), ("_PID", b"7")]


def searched(unit: str = UNIT) -> Search:
    search = Search(MATCHER)
    search.journal(unit)
    return search


def gaps(search: Search) -> list[str]:
    return [gap.reason for gap in search.report.not_scanned]


def test_each_field_of_each_entry_is_searched_the_binary_ones_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        CLEAN,
        [("MESSAGE", f"first line\nsecond with {KEY}\n".encode()), ("_CMDLINE", f"curl -H x-api-key:{KEY}".encode())],
        [("MESSAGE", b"\x1b[31m" + bytes(range(256))), ("DUMP", gzip.compress(f"body {TOKENS['npm-token']}".encode()))],
    ]
    monkeypatch.setenv("PATH", stand_in(tmp_path, exported(entries)))

    search = searched()

    start = 13  # sk-ant-api03- is every key's
    assert [(found.source, found.line, found.offset, found.name) for found in search.report.findings] == [
        (f"journal:{UNIT}#MESSAGE", 2, len("first line\nsecond with ") + start, "model_api_key"),
        (f"journal:{UNIT}#_CMDLINE", 2, len("curl -H x-api-key:") + start, "model_api_key"),
        (f"journal:{UNIT}#DUMP", 3, len("body "), "npm-token"),
    ]
    assert (gaps(search), search.report.sources) == ([], 1)
    assert search.report.scanned_bytes == sum(len(value) for entry in entries for _, value in entry)


def test_the_child_is_asked_for_the_unit_and_gets_none_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRREVIEW_CANARY", "x")
    monkeypatch.setenv("PATH", stand_in(tmp_path, exported([CLEAN])))

    assert searched("-rf.service").report.exit_code is ExitCode.DONE

    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0].split() == ["--output=export", "--no-pager", "--all", "--unit=-rf.service"]
    assert "PRREVIEW_CANARY" not in asked[1]


@pytest.mark.parametrize(
    ("data", "ends", "reason"),
    [
        (b"", {}, "shows no entry"),
        (exported([CLEAN]), {"said": "Hint: You are currently not seeing messages from other users."}, "not seeing messages"),
        (
            exported([CLEAN]),
            {"code": 1, "said": f"Failed to open {KEY}"},
            "ended with 1: Failed to open sk-ant-api03-[prod/model_api_key hidden]",
        ),
        (exported([CLEAN]) + b"MESSAGE\n\x40" + bytes(7) + b"short", {}, "breaks off"),
        (exported([CLEAN]) + b"MESSAGE\n\x40", {}, "breaks off"),
    ],
)
def test_whatever_may_not_be_all_of_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, ends: dict[str, object], reason: str
) -> None:
    monkeypatch.setenv("PATH", stand_in(tmp_path, data, **ends))

    search = searched()

    assert search.report.exit_code is ExitCode.INCOMPLETE
    assert reason in gaps(search)[0]


def test_a_journal_that_breaks_off_is_searched_as_far_as_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", stand_in(tmp_path, b"MESSAGE=" + KEY.encode() + b"\nDUMP\n\x40"))

    search = searched()

    assert len(search.report.findings) == 1
    assert "breaks off" in gaps(search)[0]


def test_without_a_journalctl_the_journal_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "cannot be run" in gaps(searched())[0]


def test_a_child_that_talks_a_lot_does_not_wait_for_us(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", stand_in(tmp_path, exported([CLEAN]), said="x" * 1_000_000))

    assert len(gaps(searched())[0]) < 3_000


def test_a_value_that_is_too_long_is_passed_over_and_named_and_the_rest_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_VALUE", 1_000)
    text, binary = b"x" * 5_000, b"\n" * 5_000
    stream = io.BytesIO(exported([[("A", text), ("B", binary), ("C", b"kept")], CLEAN]))
    entries = journal.entries(stream)

    assert next(entries) == [("C", b"kept")]
    assert next(entries) == CLEAN
    with pytest.raises(Unfinished, match="A, B: a value of more than"):
        next(entries)


def test_a_search_that_stops_early_leaves_no_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", stand_in(tmp_path, exported([CLEAN] * 50_000)))
    entries = journal.entries_of(UNIT)
    next(entries)
    entries.close()
    # `wait` has been called on it: the interpreter would complain of a child that is still running (filterwarnings = error).


def test_a_file_of_the_journal_is_no_clean_bill(tmp_path: Path) -> None:
    (tmp_path / "system.journal").write_bytes(b"LPKSHHRH" + bytes(1_000))
    search = Search(MATCHER)

    search.path(tmp_path)

    assert "--journal" in gaps(search)[0]


@pytest.mark.skipif(shutil.which("journalctl") is None or sys.platform != "linux", reason="systemd's journalctl is not here")
def test_the_real_one_takes_our_options_and_an_unknown_unit_is_no_clean_bill() -> None:
    search = searched("prreview-that-is-not-there.service")

    assert search.report.findings == []
    assert search.report.exit_code is ExitCode.INCOMPLETE
    assert "unrecognized" not in gaps(search)[0]
