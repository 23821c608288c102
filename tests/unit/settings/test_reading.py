from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import tomli_w

from prreview_cli.core.errors import ExitCode, NotYetKept, ProfileError
from prreview_cli.core.profile import Profile, SecretName, SecretRef, SecretScheme
from prreview_cli.settings import TEMPLATES, read_profile, template_text
from prreview_cli.settings.profiles import examine_text
from prreview_cli.settings.rules import RULES
from prreview_cli.settings.schema import OURS, _without_none
from support.profiles import document, profile_file

PATH = Path("/somewhere/test.toml")


def problems_of(changes: dict[str, Any]) -> list[str]:
    profile, problems = examine_text(tomli_w.dumps(document(changes)), PATH)
    assert (profile is None) == bool(problems)
    return [problem.message for problem in problems]


def test_what_is_not_written_has_its_default(tmp_path: Path) -> None:
    profile = read_profile(profile_file(tmp_path))

    assert profile.name == profile.environment == "test"
    assert profile.path == tmp_path / "test.toml"
    assert profile.workers.count == 4
    assert profile.host.permissions == {"pull_requests": "write", "contents": "read"}
    assert profile.secrets[SecretName.HOST_TOKEN] == SecretRef(SecretScheme.ENV, "PRREVIEW_TEST_HOST_TOKEN")


def test_values_have_the_types_of_the_profile(tmp_path: Path) -> None:
    prices = {"input": 1, "output": 2, "cache_read": 0, "cache_write": 3.5}
    changes = {"state.dir": "/var/lib/prreview", "workers.lease_s": 10, "host.repositories": ["octo/*"], "model.prices": prices}

    profile = read_profile(profile_file(tmp_path, changes))

    assert profile.state.dir == Path("/var/lib/prreview")
    assert isinstance(profile.workers.lease_s, float)
    assert profile.host.repositories == ("octo/*",)
    assert profile.model.prices is not None
    assert profile.model.prices.cache_write == 3.5


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("workers.cuont", 4, "Did you mean workers.count?"),
        ("nothing", 4, "is not a known key"),
        ("workers.count", "4", "must be a whole number"),
        ("workers.count", 4.0, "must be a whole number"),
        ("workers.count", True, "must be a whole number"),
        ("workers.count", 0, "must be from 1"),
        ("workers", 3, "must be a table"),
        ("workers.backoff_s", True, "must be a number"),
        ("workers.backoff_s", 0, "must be from"),
        ("workers.backoff_s", float("inf"), "must be a number"),
        ("workers.backoff_s", 400, "less than workers.backoff_s"),
        ("workers.lease_s", 0.01, "must be from 1"),
        ("server.port", 65_536, "must be from 0 to 65535"),
        ("server.port", -1, "must be from 0 to 65535"),
        ("server.port", 9090, "same as server.port"),
        ("server.host", "a b", "must be an address"),
        ("environment", "Prod", "must be 1 to 40"),
        ("environment", "../prod", "must be 1 to 40"),
        ("environment", None, "environment is missing"),
        ("model.name", None, "model.name is missing"),
        ("model", None, "model is missing"),
        ("model.name", "", "must be the full name"),
        ("model.name", "a model", "must be the full name"),
        ("model.name", "unheard-of", "not in the price table"),
        ("model.max_usd_per_day", 0, "must be more than 0"),
        ("model.max_usd_per_day", float("nan"), "must be a number"),
        ("model.prices", {"input": 1.0, "cache_read": 1.0, "cache_write": 1.0}, "model.prices.output is missing"),
        ("model.prices", {"input": -1.0, "output": 1.0, "cache_read": 1.0, "cache_write": 1.0}, "must be from 0"),
        ("model.base_url", "http://api.example.com", "must begin with https://"),
        ("model.base_url", "http://127.0.0.1.evil.example", "must begin with https://"),
        ("model.base_url", "ftp://example.com", "must be a URL"),
        ("model.base_url", "https://", "must be a URL"),
        ("model.base_url", "https://[::1", "is not a URL"),
        ("model.base_url", "https://example.com:99999", "is not a URL"),
        ("model.base_url", "https://user:hunter2@example.com", "must not carry credentials"),
        ("model.base_url", "https://example.com/?key=hunter2", "must not carry a query"),
        ("model.base_url", "https://example.com/#a", "must not carry a query"),
        ("model.base_url", "https://example.com/", "must not end in a slash"),
        ("host.api_url", "http://10.0.0.1", "must begin with https://"),
        ("alerts.url", "http://example.com", "must begin with https://"),
        ("queue.url", "sqlite:///relative.db", "four slashes"),
        ("queue.url", "sqlite:////var/../etc/x.db", "without `..`"),
        ("queue.url", "mysql://x", "four slashes"),
        ("state.dir", "state", "must be an absolute path"),
        ("state.log_level", "loud", "must be debug, info, warning or error"),
        ("state.keep_days", 0, "must be from 1"),
        ("host.kind", "gitlab", "must be github"),
        ("host.permissions", {"pull_requests": "write", "contents": "write"}, "needs no more"),
        ("host.permissions", {"pull_requests": "write", "contents": "read", "actions": "read"}, "needs no more"),
        ("host.permissions", {"pull_requests": "write"}, "leaves out contents"),
        ("host.permissions", {"pull_requests": 1}, "needs no more"),
        ("host.repositories", ["octo"], "matches no OWNER/NAME"),
        ("host.repositories", "octo/*", "must be a list of texts"),
        ("host.repositories", [1], "must be a list of texts"),
        ("host.login", "a b", "must be a login"),
        ("review.actions", ["closed"], "may hold opened"),
        ("review.authors", ["EVERYONE"], "may hold OWNER"),
        ("review.min_severity", "fatal", "must be error, warning or info"),
        ("review.guidelines", "../x.md", "must be the path of a file in the repository"),
        ("review.guidelines", "/etc/passwd", "must be the path of a file in the repository"),
        ("review.include", [""], "leave it out"),
        ("review.max_comments", 0, "must be from 1"),
        ("sandbox.require", ["moat"], "may hold files"),
        ("alerts.command", ["page-me"], "absolute path"),
        ("secrets.password", "keyring:password", "is not a known key"),
        ("secrets.host_token", 5, "must be a text"),
        ("secrets.host_token", "env:PRREVIEW_TEST_MODEL_API_KEY", "same place"),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(key: str, value: Any, expected: str) -> None:
    told = problems_of({key: value})

    assert len(told) == 1
    assert expected in told[0]
    assert "hunter2" not in told[0]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.base_url", "http://127.0.0.1:8000"),
        ("model.base_url", "http://[::1]:8000/v1"),
        ("host.git_url", "http://localhost:1"),
        ("host.api_url", "https://ghe.example.com/api/v3"),
        ("queue.url", "sqlite:////var/lib/prreview/queue.db"),
        ("server.host", "0.0.0.0"),
        ("server.ops_port", 0),
        ("host.repositories", ["octo/*", "*", "a/b.c-d_[ef]?"]),
        ("host.login", "github-actions[bot]"),
        ("review.verify", False),
        ("review.allow_label", ""),
        ("review.actions", []),
        ("workers.drain_s", 0),
        ("secrets.host_token", "file:/run/credentials/prreview.service/host token"),
    ],
)
def test_what_can_be_is_taken(key: str, value: Any) -> None:
    assert problems_of({key: value}) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("review.verify", True),
        ("review.report", "check"),
        ("host.read", "diff"),
        ("queue.url", "postgresql://db/prreview"),
    ],
)
def test_what_comes_later_is_refused_by_name(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(NotYetKept, match=key) as caught:
        read_profile(profile_file(tmp_path, {key: value}))

    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    "pasted",
    [
        "hunter2hunter2",
        "keyring:",
        "env:",
        "env:a-b",
        "file:relative",
        "vault:x",
        "keyring:sk-ant-api03-hunter2hunter2",
        "keyring:a b",
        "file:/a\nb",
    ],
)
def test_a_pasted_value_is_refused_and_not_repeated(pasted: str) -> None:
    (told,) = problems_of({"secrets.model_api_key": pasted})

    assert "prreview secret set model_api_key" in told
    assert "hunter2" not in told
    assert "a b" not in told


def test_a_token_in_any_other_place_is_not_repeated() -> None:
    assert "hunter2" not in " ".join(problems_of({"host.kind": "ghp_hunter2hunter2hunter2hunter2hunter2x"}))


def test_a_key_that_is_a_token_is_not_repeated() -> None:
    assert "hunter2" not in " ".join(problems_of({"workers.sk-ant-hunter2hunter2": 1}))


def test_all_problems_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "test.toml"
    path.write_text(
        'environment = "test"\n[workers]\n# how many\ncount = 0\nspeed = 1\n\n[model]\nmax_turns = 5\n[server]\nport = "x"\n',
        encoding="utf-8",
    )

    with pytest.raises(ProfileError) as caught:
        read_profile(path)

    first, *others = str(caught.value).splitlines()
    assert first == f"{path} has 4 problems."
    assert [line.split(":")[0].strip() for line in others] == ["line 4", "line 5", "line 7", "line 10"]
    assert "model.name is missing" in others[2]


def test_something_not_yet_kept_beside_something_wrong_is_a_profile_error(tmp_path: Path) -> None:
    with pytest.raises(ProfileError):
        read_profile(profile_file(tmp_path, {"review.verify": True, "workers.count": 0}))


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = = 2\n", 2), ("a = 1\na = 2\n", 2), ('a = "x', 1)])
def test_what_is_not_toml_is_told_with_its_line(text: str, line: int) -> None:
    profile, (problem,) = examine_text(text, PATH)

    assert profile is None
    assert problem.line == line
    assert str(problem).startswith(f"line {line}: This is not TOML")


@pytest.mark.parametrize(
    "text",
    [
        f"a = {'[' * 100_000}",
        f"a = {'9' * 5_000}",
        f"[workers]\ncount = {'9' * 400}",
        f"[workers]\nbackoff_s = {'9' * 400}",
        f"[review]\ninclude = {'[' * 300}{']' * 300}",
    ],
    ids=lambda text: text[:25],
)
def test_what_no_reader_could_hold_is_refused_and_breaks_nothing(text: str) -> None:
    profile, problems = examine_text(f'environment = "test"\n{text}\n', PATH)

    assert profile is None
    assert problems


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "test.toml"
    path.write_bytes(b"environment = '\xff'")

    with pytest.raises(ProfileError, match="not UTF-8"):
        read_profile(path)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_shipped_template_is_a_sound_profile_of_its_environment(template: str) -> None:
    own, problems = examine_text(template_text(template, template), PATH)
    other, _ = examine_text(template_text(template, "other"), PATH)

    assert problems == []
    assert own is not None
    assert other is not None
    assert (own.environment, other.environment) == (template, "other")


def test_every_key_has_a_rule_unless_its_type_says_everything() -> None:
    without = {key for key, hint in _leaves(Profile) if key not in RULES}

    assert without == {"review.skip_drafts", "review.verify", "secrets"}
    assert RULES.keys() <= {key for key, _ in _leaves(Profile)}


def _leaves(cls: type, prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for field in fields(cls):
        hint = _without_none(get_type_hints(cls)[field.name])
        if cls is Profile and field.name in OURS:
            continue
        found += _leaves(hint, f"{prefix}{field.name}.") if is_dataclass(hint) else [(prefix + field.name, hint)]
    return found


def test_an_app_needs_its_number_and_its_key(tmp_path: Path) -> None:
    whole = {"host.auth": "app", "host.app_id": 7, "secrets.app_private_key": "keyring:app_private_key"}
    assert read_profile(profile_file(tmp_path, whole)).host.app_id == 7
    for missing, told in (("host.app_id", "App ID"), ("secrets.app_private_key", "app_private_key = ")):
        with pytest.raises(ProfileError, match=told):
            read_profile(profile_file(tmp_path, {**whole, missing: None}))
