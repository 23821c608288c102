from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest

from prreview_cli.settings import TEMPLATES
from support.installed import prreview

SECRETS = {
    "ANTHROPIC_API_KEY": "model-key-of-the-test-0123",
    "GITHUB_TOKEN": "host-token-of-the-test-0123",
}


def test_a_profile_is_made_listed_shown_changed_and_checked(tmp_path: Path) -> None:
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path / "profiles"), **SECRETS}
    path = tmp_path / "profiles" / "ci.toml"

    made = prreview(tmp_path, "profile", "create", "ci", environ=environ)
    assert (made.returncode, made.stdout) == (0, f"{path}\n")
    assert "# A CI runner" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    listed = json.loads(prreview(tmp_path, "profile", "list", "--json", environ=environ).stdout)
    assert listed["schema_version"] == 1
    assert [(row["name"], row["environment"], row["usable"]) for row in listed["profiles"]] == [("ci", "ci", True)]

    changed = prreview(tmp_path, "profile", "set", "ci", "host.repositories", "octo/*", environ=environ)
    assert changed.returncode == 0
    assert "Comments in the file are gone" in changed.stderr
    assert "# A CI runner" in (tmp_path / "profiles" / "ci.toml.bak").read_text()

    shown = prreview(tmp_path, "profile", "show", environ=environ | {"PRREVIEW_PROFILE": "ci"})
    document = tomllib.loads(shown.stdout)
    assert document["host"]["repositories"] == ["octo/*"]
    assert document["workers"]["backoff_s"] == 1.0
    assert document["secrets"]["host_token"] == "env:GITHUB_TOKEN"

    checked = prreview(tmp_path, "profile", "check", "ci", environ=environ)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "This profile can be used." in checked.stdout
    for run in (made, changed, shown, checked):
        assert not any(value in run.stdout + run.stderr for value in SECRETS.values())


@pytest.mark.parametrize(("template", "asked"), [("prod", "for model_api_key, host_token, webhook_secret, then"), ("ci", "")])
def test_a_new_profile_asks_for_the_values_that_the_keyring_keeps_and_no_others(tmp_path: Path, template: str, asked: str) -> None:
    made = prreview(tmp_path, "profile", "create", "mine", "--template", template, environ={"PRREVIEW_PROFILES_DIR": str(tmp_path)})

    assert ("prreview secret set NAME -p mine" in made.stderr, asked in made.stderr) == (bool(asked), True)
    assert "`prreview profile check mine`" in made.stderr


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_template_makes_a_profile_for_any_environment(tmp_path: Path, template: str) -> None:
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path)}

    made = prreview(tmp_path, "profile", "create", "mine", "--template", template, "--set", "workers.count=3", environ=environ)

    assert made.returncode == 0, made.stderr
    document = tomllib.loads((tmp_path / "mine.toml").read_text())
    assert (document["environment"], document["workers"]["count"]) == ("mine", 3)


def test_without_a_folder_of_its_own_a_profile_goes_to_the_users_configuration(tmp_path: Path) -> None:
    made = prreview(tmp_path, "profile", "create", "dev")

    assert Path(made.stdout.strip()).is_relative_to(tmp_path)
    assert prreview(tmp_path, "profile", "show", "dev").returncode == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["profile", "show"], "No profile is chosen. There are: dev"),
        (["profile", "show", "prod"], "There is no profile named 'prod'. There are: dev"),
        (["profile", "create", "dev"], "already"),
        (["profile", "create", "../x"], "name is 1 to 40"),
        (["profile", "create", "x", "--template", "y"], "no template 'y'"),
        (["profile", "create", "x", "--set", "workers.count"], "KEY=VALUE"),
        (["profile", "create", "x", "--set", "workers.count=0"], "must be from 1"),
        (["profile", "set", "dev", "workers.count", "0"], "Nothing was written"),
        (["profile", "set", "dev", "review.verify", "true"], "does not have yet"),
        (["profile", "set", "dev", "workers.speed", "1"], "has no key"),
        (["profile", "set", "workers.count"], "A key and a value"),
        (["profile", "diff", "a", "b"], "`prreview profile diff` is not in this version yet"),
        (["profile", "check", "dev"], ""),
    ],
)
def test_what_cannot_be_done_ends_with_2_and_sentences(tmp_path: Path, words: list[str], expected: str) -> None:
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path)}
    prreview(tmp_path, "profile", "create", "dev", environ=environ)
    before = (tmp_path / "dev.toml").read_text()

    refused = prreview(tmp_path, *words, environ=environ)

    assert refused.returncode == 2
    assert expected in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (tmp_path / "dev.toml").read_text() == before
    assert [file.name for file in tmp_path.glob("*.toml*")] == ["dev.toml"]


def test_a_pasted_secret_is_refused_and_not_repeated(tmp_path: Path) -> None:
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path)}
    prreview(tmp_path, "profile", "create", "dev", environ=environ)

    refused = prreview(tmp_path, "profile", "set", "dev", "secrets.host_token", "hunter2hunter2", environ=environ)

    assert refused.returncode == 2
    assert "looks like a secret's value" in refused.stderr
    assert "hunter2" not in refused.stdout + refused.stderr + (tmp_path / "dev.toml").read_text()


def test_a_check_without_keyring_says_what_to_do_on_a_headless_machine(tmp_path: Path) -> None:
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path), "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    prreview(tmp_path, "profile", "create", "prod", environ=environ)

    told = prreview(tmp_path, "profile", "check", "prod", environ=environ)
    as_json = json.loads(prreview(tmp_path, "profile", "check", "prod", "--json", environ=environ).stdout)

    assert told.returncode == 2
    assert told.stdout.count("LoadCredential") == 1
    assert [problem["key"] for problem in as_json["problems"]] == ["secrets.model_api_key", "secrets.host_token", "secrets.webhook_secret"]
    assert not as_json["ok"]


def test_two_environments_with_one_secret_are_refused(tmp_path: Path) -> None:
    environ = {"PRREVIEW_PROFILES_DIR": str(tmp_path), **SECRETS}
    prreview(tmp_path, "profile", "create", "ci", environ=environ)
    prreview(tmp_path, "profile", "create", "other", "--template", "ci", environ=environ)

    told = prreview(tmp_path, "profile", "check", "ci", environ=environ)

    assert told.returncode == 2
    assert "model_api_key has the same value as model_api_key in other.toml" in told.stdout
    assert not any(value in told.stdout + told.stderr for value in SECRETS.values())
