"""The file that says where a server listens: true while it lives, and no longer."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from prreview_cli.cli.whereabouts import FILE, Whereabouts, announced, whereabouts

URL = "http://127.0.0.1:8080/webhook/pr"


def test_nobody_is_there_before_and_after(tmp_path: Path) -> None:
    assert whereabouts(tmp_path) == Whereabouts(None)
    with announced(tmp_path, URL):
        assert whereabouts(tmp_path) == Whereabouts(URL)
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert whereabouts(tmp_path) == Whereabouts(None)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_nobody_holds_is_a_dead_servers(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(f'{{"webhook": "{URL}", "pid": 1}}')
    assert whereabouts(tmp_path) == Whereabouts(None, stale=True)


def test_the_newest_server_takes_the_place_and_the_older_leaves_it_alone(tmp_path: Path) -> None:
    older = announced(tmp_path, URL)
    older.__enter__()
    with announced(tmp_path, URL.replace("8080", "8081")):
        older.__exit__(None, None, None)
        assert whereabouts(tmp_path) == Whereabouts(URL.replace("8080", "8081"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("listens", "called"), [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("[::1]:80", "[::1]:80")])
def test_an_address_that_means_every_one_is_called_on_this_machine(tmp_path: Path, listens: str, called: str) -> None:
    with announced(tmp_path, f"http://{listens}/webhook/pr"):
        assert whereabouts(tmp_path).webhook == f"http://{called}/webhook/pr"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\ud800".encode(errors="surrogatepass")])
def test_a_file_that_says_nothing_is_no_server(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / FILE).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert whereabouts(tmp_path).webhook is None


def test_a_server_whose_address_cannot_be_written_serves_all_the_same(tmp_path: Path) -> None:
    with announced(tmp_path / "missing", URL):
        assert whereabouts(tmp_path / "missing") == Whereabouts(None)
