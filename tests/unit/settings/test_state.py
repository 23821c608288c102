from __future__ import annotations

import stat
from pathlib import Path

import pytest

from prreview_cli.core.errors import ProfileError
from prreview_cli.settings import queue_path, queue_url, read_profile, state_dir, state_path
from support.profiles import profile_file


def test_the_state_folder_is_the_users_own_one_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    profile = read_profile(profile_file(tmp_path, name="prod"))

    assert state_path(profile).is_relative_to(tmp_path)
    assert state_path(profile).name == "prod"
    assert not state_path(profile).exists()
    assert stat.S_IMODE(state_dir(profile).stat().st_mode) == 0o700


def test_the_queue_is_in_the_state_folder_unless_named(tmp_path: Path) -> None:
    default = read_profile(profile_file(tmp_path, {"state.dir": str(tmp_path / "state")}))
    named = read_profile(profile_file(tmp_path, {"queue.url": "sqlite:////var/q.db"}))

    assert queue_url(default) == f"sqlite:///{tmp_path}/state/queue.db"
    assert queue_path(default) == tmp_path / "state" / "queue.db"
    assert queue_url(named) == "sqlite:////var/q.db"
    assert queue_path(named) == Path("/var/q.db")


def test_a_state_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)

    with pytest.raises(ProfileError, match="can be written by other users"):
        state_dir(read_profile(profile_file(tmp_path, {"state.dir": str(tmp_path / "state")})))


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ProfileError, match="cannot be made"):
        state_dir(read_profile(profile_file(tmp_path, {"state.dir": str(tmp_path / "file" / "state")})))
