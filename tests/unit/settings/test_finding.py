from __future__ import annotations

from pathlib import Path

import pytest

from prreview_cli.core.errors import ExitCode, UsageError
from prreview_cli.settings import find_profile, load_profile, profile_paths, profiles_folder
from support.profiles import profile_file


def test_a_profile_is_found_by_its_name_in_the_folder(tmp_path: Path) -> None:
    path = profile_file(tmp_path, name="prod")

    assert find_profile("prod", {"PRREVIEW_PROFILES_DIR": str(tmp_path)}) == path


def test_the_flag_wins_over_the_variable(tmp_path: Path) -> None:
    profile_file(tmp_path, name="prod")
    profile_file(tmp_path, name="dev")
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path), "PRREVIEW_PROFILE": "prod"}

    assert load_profile(None, environ).name == "prod"
    assert load_profile("dev", environ).name == "dev"


@pytest.mark.parametrize("chosen", [None, "", "prd", "../prod", "prod\x1b[2J"])
def test_nothing_is_chosen_silently(tmp_path: Path, chosen: str | None) -> None:
    profile_file(tmp_path / "profiles", name="prod")
    profile_file(tmp_path / "profiles", name="dev")

    with pytest.raises(UsageError) as caught:
        find_profile(chosen, {"PRREVIEW_PROFILES_DIR": str(tmp_path / "profiles")})

    assert caught.value.exit_code is ExitCode.USAGE
    assert "dev, prod" in str(caught.value) or "/" in (chosen or "")
    assert "\x1b" not in str(caught.value)
    assert "prreview profile create" in caught.value.remedy


def test_an_empty_flag_is_not_answered_by_the_variable(tmp_path: Path) -> None:
    profile_file(tmp_path, name="prod")

    with pytest.raises(UsageError):
        find_profile("", {"PRREVIEW_PROFILES_DIR": str(tmp_path), "PRREVIEW_PROFILE": "prod"})


def test_the_working_directory_is_looked_at_only_for_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile_file(tmp_path, name="ci")
    profile_file(tmp_path / "profiles", name="ci")
    monkeypatch.chdir(tmp_path)
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path / "none")}

    with pytest.raises(UsageError):
        find_profile("ci", environ)
    assert find_profile("ci.toml", environ) == tmp_path / "ci.toml"
    assert find_profile("./ci.toml", environ) == tmp_path / "ci.toml"
    with pytest.raises(UsageError):
        find_profile("./dev.toml", environ)


def test_the_folder_is_the_users_configuration_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    assert profiles_folder({}).is_relative_to(tmp_path)
    with pytest.raises(UsageError, match="not an absolute path"):
        profiles_folder({"PRREVIEW_PROFILES_DIR": "profiles"})


def test_only_profiles_are_listed(tmp_path: Path) -> None:
    profile_file(tmp_path, name="prod")
    (tmp_path / "prod.toml.bak").touch()
    (tmp_path / ".prod.toml.x").touch()
    (tmp_path / "notes.txt").touch()

    assert [path.name for path in profile_paths({"PRREVIEW_PROFILES_DIR": str(tmp_path)})] == ["prod.toml"]
