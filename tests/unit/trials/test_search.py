from __future__ import annotations

import base64
import sqlite3
from pathlib import Path

import pytest

from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.trials.checks.search import Found, search

VALUE = "trial_pat_0a1B2c3D4e5F6g7H8i9J0kLmNoPqRsTuV"
MATCHER = Matcher({"host_token": Secret(VALUE)})


@pytest.mark.parametrize("form", [VALUE, VALUE[20:36], base64.b64encode(b"x:" + VALUE.encode()).decode(), VALUE.encode().hex()])
def test_a_secret_is_found_in_any_file_and_form_and_named_by_its_place(tmp_path: Path, form: str) -> None:
    (tmp_path / "state" / "deep").mkdir(parents=True)
    (tmp_path / "state" / "deep" / "a.log").write_bytes(b"\xff\x00" + form.encode() + b"\x00")
    result = search(tmp_path, (), {}, MATCHER)
    assert result.found == {Found("state/deep/a.log", "host_token")}
    assert VALUE not in repr(result)


def test_a_database_is_searched_with_what_is_still_in_its_log(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "queue.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE jobs (reason TEXT)")
    database.execute("INSERT INTO jobs VALUES (?)", (f"It said {VALUE}.",))
    assert search(tmp_path, (), {}, MATCHER).of("host_token") == ["queue.db-wal"]
    database.close()


def test_what_is_left_out_is_left_out_at_the_top_alone_and_no_link_is_followed(tmp_path: Path) -> None:
    for folder in ("secrets", "state/secrets"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "host_token").write_text(VALUE)
    (tmp_path / "link").symlink_to(tmp_path / "secrets" / "host_token")
    assert search(tmp_path, ("secrets",), {}, MATCHER).of("host_token") == ["state/secrets/host_token"]


def test_what_is_given_besides_is_searched_and_counted_and_a_name_of_a_file_too(tmp_path: Path) -> None:
    (tmp_path / VALUE).touch()
    result = search(tmp_path, (), {"review 1": VALUE.encode(), "review 2": b"fine"}, MATCHER)
    assert len(result.of("host_token")) == 2
    assert (result.places, result.others("host_token"), result.unread) == (3, [], ())
