from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path

import pytest

from prreview_cli.core.errors import ProfileError, UsageError
from prreview_cli.settings import read_profile, to_mapping, with_value, write_profile, write_text
from support.profiles import document, profile_file


def test_a_profile_survives_being_written_whole(tmp_path: Path) -> None:
    prices = {"input": 1.0, "output": 2.0, "cache_read": 0.0, "cache_write": 3.5}
    changes = {"state.dir": "/var/x", "model.prices": prices, "alerts.command": ["/bin/true"], "queue.url": "sqlite:////q.db"}
    first = read_profile(profile_file(tmp_path, changes))

    write_profile(tmp_path / "again" / "test.toml", to_mapping(first))
    again = read_profile(tmp_path / "again" / "test.toml")
    assert stat.S_IMODE((tmp_path / "again" / "test.toml").stat().st_mode) == 0o600, "a new one is for us alone"

    assert to_mapping(again) == to_mapping(first)
    assert again.model.prices == first.model.prices


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_what_is_written_is_for_whom_the_former_file_was_which_stays_beside_it(tmp_path: Path, mode: int) -> None:
    path = profile_file(tmp_path)
    path.chmod(mode)
    before = path.read_text()

    former = write_profile(path, document({"workers.count": 7}))

    assert former == tmp_path / "test.toml.bak"
    assert former.read_text() == before
    assert read_profile(path).workers.count == 7
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {mode}
    assert {file.name for file in tmp_path.iterdir()} == {"test.toml", "test.toml.bak"}


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can give a file away.")
def test_as_root_a_services_profile_stays_readable_for_its_group(tmp_path: Path) -> None:
    path = profile_file(tmp_path)
    os.chown(path, 0, 4711)
    path.chmod(0o640)

    write_profile(path, document({"workers.count": 7}))

    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 4711, 0o640)


def test_what_would_not_be_sound_is_not_written(tmp_path: Path) -> None:
    path = profile_file(tmp_path)
    before = path.read_text()

    with pytest.raises(ProfileError, match=r"workers\.count") as caught:
        write_profile(path, document({"workers.count": 0}))

    assert "Nothing was written" in caught.value.remedy
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["test.toml"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path = profile_file(tmp_path / "real")
    (tmp_path / "test.toml").symlink_to(path)

    write_profile(tmp_path / "test.toml", document({"workers.count": 7}))

    assert (tmp_path / "test.toml").is_symlink()
    assert read_profile(path).workers.count == 7


def test_a_write_that_fails_leaves_the_former_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = profile_file(tmp_path)
    before = path.read_text()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProfileError, match="No space left"):
        write_profile(path, document({"workers.count": 7}))

    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["test.toml"]


def test_a_text_keeps_its_comments(tmp_path: Path) -> None:
    text = '# why\nenvironment = "test"\n[model]\nname = "claude-sonnet-4-5-20250929" # pinned\n'

    assert write_text(tmp_path / "test.toml", text) is None
    assert (tmp_path / "test.toml").read_text() == text


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("workers.count", "6", 6),
        ("workers.backoff_s", "2", 2),
        ("review.skip_drafts", "false", False),
        ("model.name", "claude-opus-5", "claude-opus-5"),
        ("environment", "true", "true"),
        ("state.dir", "/var/x", "/var/x"),
        ("host.repositories", "octo/*, a/b", ["octo/*", "a/b"]),
        ("host.repositories", '["octo/*"]', ["octo/*"]),
        ("host.repositories", "", []),
        ("host.permissions", '{ contents = "read" }', {"contents": "read"}),
        ("model.prices.input", "3", 3),
        ("secrets.host_token", "env:TOKEN", "env:TOKEN"),
    ],
)
def test_a_text_becomes_a_value_of_its_keys_type(key: str, text: str, value: object) -> None:
    before = document()

    changed = with_value(before, key, text)

    for part in key.split("."):
        changed = changed[part]
    assert changed == value
    assert before == document()


@pytest.mark.parametrize("key", ["workers.cuont", "workers.count.x", "name", "path", "secrets.x", "", "workers.", "model.prices.x"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="has no key"):
        with_value(document(), key, "1")


@pytest.mark.parametrize("text", ["six", "", "1\nb = 2", "1 2"])
def test_a_text_that_is_not_of_the_type_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not of its type"):
        with_value(document(), "workers.count", text)


def test_the_mapping_is_plain_toml() -> None:
    assert tomllib.loads('a = ["b"]')["a"] == with_value({}, "review.include", "b")["review"]["include"]
