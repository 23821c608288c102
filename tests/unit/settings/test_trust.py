from __future__ import annotations

import os
from pathlib import Path

import pytest

from prreview_cli.core.errors import ProfileError
from prreview_cli.settings.trust import check_way, read_trusted

SOMEBODY = 65_534
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="Only root can give a file away.")


def a_file(folder: Path, mode: int = 0o600) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "profile.toml"
    path.write_text("text")
    path.chmod(mode)
    return path


def test_a_file_of_our_own_is_read(tmp_path: Path) -> None:
    assert read_trusted(a_file(tmp_path), 10) == b"text"


def test_a_relative_path_is_walked_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_file(tmp_path / "open").parent.chmod(0o777)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ProfileError, match="open can be written"):
        read_trusted(Path("open/../open/profile.toml"), 10)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ProfileError, match="can be written by other users") as caught:
        read_trusted(a_file(tmp_path, mode), 10)

    assert "chmod go-w" in caught.value.remedy


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_on_the_way_that_others_can_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = a_file(tmp_path / "open" / "closed")
    (tmp_path / "open").chmod(mode)

    with pytest.raises(ProfileError, match="open can be written by other users"):
        read_trusted(path, 10)


def test_a_sticky_folder_passes(tmp_path: Path) -> None:
    path = a_file(tmp_path / "shared" / "mine")
    (tmp_path / "shared").chmod(0o1777)

    assert read_trusted(path, 10) == b"text"


def test_a_link_in_a_safe_folder_to_an_unsafe_one_is_refused(tmp_path: Path) -> None:
    target = a_file(tmp_path / "open")
    (tmp_path / "open").chmod(0o777)
    link = tmp_path / "link.toml"
    link.symlink_to(target)

    with pytest.raises(ProfileError, match="open can be written"):
        read_trusted(link, 10)


def test_a_link_that_stands_in_an_unsafe_folder_is_refused(tmp_path: Path) -> None:
    target = a_file(tmp_path / "safe")
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "link").symlink_to(tmp_path / "safe")
    (tmp_path / "open").chmod(0o777)

    with pytest.raises(ProfileError, match="open can be written"):
        read_trusted(tmp_path / "open" / "link" / target.name, 10)


def test_a_configmap_passes(tmp_path: Path) -> None:
    """As Kubernetes mounts one: profile.toml -> ..data/profile.toml, ..data -> ..2026_01_01."""
    a_file(tmp_path / "mount" / "..2026_01_01", 0o644)
    (tmp_path / "mount" / "..data").symlink_to("..2026_01_01")
    (tmp_path / "mount" / "profile.toml").symlink_to("..data/profile.toml")

    assert read_trusted(tmp_path / "mount" / "profile.toml", 10) == b"text"


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    with pytest.raises(ProfileError, match="too many links"):
        check_way(tmp_path / "a")


def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(ProfileError, match="not a regular file"):
            read_trusted(path, 10)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="larger than 3 bytes"):
        read_trusted(a_file(tmp_path), 3)


def test_a_file_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_trusted(tmp_path / "none", 3)


@AS_ROOT
def test_what_belongs_to_somebody_else_is_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    os.chown(path, SOMEBODY, SOMEBODY)

    with pytest.raises(ProfileError, match="belongs to another user"):
        read_trusted(path, 10)


@AS_ROOT
def test_somebody_elses_link_in_a_sticky_folder_is_refused(tmp_path: Path) -> None:
    target = a_file(tmp_path / "safe")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    link = tmp_path / "shared" / "link.toml"
    link.symlink_to(target)
    os.lchown(link, SOMEBODY, SOMEBODY)

    with pytest.raises(ProfileError, match=r"link\.toml belongs to another user"):
        read_trusted(link, 10)


@AS_ROOT
def test_a_secret_that_root_laid_down_may_be_readable_by_others_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = a_file(tmp_path, 0o644)
    assert read_trusted(path, 10, secret=True) == b"text"

    os.chown(path, SOMEBODY, SOMEBODY)
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY)
    with pytest.raises(ProfileError, match="can be read by other users"):
        read_trusted(path, 10, secret=True)
    path.chmod(0o400)
    assert read_trusted(path, 10, secret=True) == b"text"
