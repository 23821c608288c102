from __future__ import annotations

from pathlib import Path

import pytest

from prreview_cli.core.profile import Profile, SecretName
from prreview_cli.settings import Vault, check_profile
from support.profiles import profile_file

VALUES = {
    "PRREVIEW_TEST_MODEL_API_KEY": "model-key-of-test-0123",
    "PRREVIEW_TEST_HOST_TOKEN": "host-token-of-test-0123",
    "PRREVIEW_TEST_WEBHOOK_SECRET": "webhook-secret-of-the-test-0123456789",
}


def check(path: Path, values: dict[str, str] = VALUES):  # type: ignore[no-untyped-def]
    def vault(profile: Profile) -> Vault:
        return Vault(profile, values)

    return check_profile(path, {"PRREVIEW_PROFILES_DIR": str(path.parent)}, vault)


def test_a_sound_profile_has_no_problem(tmp_path: Path) -> None:
    report = check(profile_file(tmp_path))

    assert report.problems == report.notes == []
    assert set(report.present.values()) == {True}


@pytest.mark.parametrize(
    ("api", "git", "notes"),
    [
        ("https://ghe.example.com/api/v3", None, 1),
        (None, "https://ghe.example.com", 1),
        ("https://ghe.example.com/api/v3", "https://ghe.example.com", 0),
        ("http://127.0.0.1:1", None, 0),
    ],
)
def test_a_token_that_would_be_shown_to_two_hosts_is_noted(tmp_path: Path, api: str | None, git: str | None, notes: int) -> None:
    report = check(profile_file(tmp_path, {"host.api_url": api, "host.git_url": git}))

    assert report.problems == []
    assert len([note for note in report.notes if "sent to both" in note]) == notes


def test_each_missing_secret_is_a_problem_with_its_remedy(tmp_path: Path) -> None:
    report = check(profile_file(tmp_path), {})

    assert [problem.key for problem in report.problems] == ["secrets.model_api_key", "secrets.host_token", "secrets.webhook_secret"]
    assert all(problem.remedy for problem in report.problems)
    assert set(report.present.values()) == {False}


def test_a_profile_without_a_webhook_secret_is_noted_and_can_be_used(tmp_path: Path) -> None:
    report = check(profile_file(tmp_path, {"secrets.webhook_secret": None}))

    assert report.problems == []
    assert "prreview serve" in report.notes[0]


def test_a_profile_without_a_key_cannot_be_used(tmp_path: Path) -> None:
    report = check(profile_file(tmp_path, {"secrets.model_api_key": None}))

    assert [problem.key for problem in report.problems] == ["secrets.model_api_key"]


def test_two_profiles_of_one_environment_are_refused(tmp_path: Path) -> None:
    profile_file(tmp_path, {"environment": "prod"}, name="other")

    (problem,) = check(profile_file(tmp_path, name="prod")).problems

    assert problem.key == "environment"
    assert "other.toml" in problem.message


def test_a_value_that_two_environments_share_is_refused_and_not_told(tmp_path: Path) -> None:
    references = {f"secrets.{name}": f"env:OTHER_{name.upper()}" for name in ("model_api_key", "host_token", "webhook_secret")}
    profile_file(tmp_path, references, name="staging")
    values = {name.replace("PRREVIEW_TEST", "OTHER"): f"other-{value}" for name, value in VALUES.items()}
    path = profile_file(tmp_path, name="prod")
    assert check(path, {**VALUES, **values}).problems == []

    shared = {**VALUES, **values, "OTHER_HOST_TOKEN": VALUES["PRREVIEW_TEST_WEBHOOK_SECRET"]}
    (problem,) = check(path, shared).problems

    assert problem.key == f"secrets.{SecretName.WEBHOOK_SECRET}"
    assert "host_token in staging.toml" in problem.message
    assert VALUES["PRREVIEW_TEST_WEBHOOK_SECRET"] not in problem.message


def test_what_could_not_be_compared_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("= 1")
    (tmp_path / "dangling.toml").symlink_to("nowhere")

    report = check(profile_file(tmp_path))

    assert report.problems == []
    assert [note.split()[0] for note in report.notes] == ["broken.toml", "dangling.toml"]


def test_a_broken_file_is_told_with_key_and_line(tmp_path: Path) -> None:
    report = check(profile_file(tmp_path, {"workers.count": 0}))

    assert [(problem.key, problem.line is not None) for problem in report.problems] == [("workers.count", True)]


def test_a_file_that_others_can_write_is_told(tmp_path: Path) -> None:
    path = profile_file(tmp_path)
    path.chmod(0o666)

    (problem,) = check(path).problems

    assert "can be written by other users" in problem.message
    assert "chmod" in problem.remedy
