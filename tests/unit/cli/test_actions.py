"""What a step in GitHub Actions is about, from the runner's variables and event file alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prreview_cli.cli.actions import ActionsRun, actions_run
from prreview_cli.core.errors import UsageError

SHA = "a" * 40


def run(folder: Path, name: str, event: Any, **changes: str) -> ActionsRun | None:
    file = folder / "event.json"
    file.write_text(event if isinstance(event, str) else json.dumps(event))
    runner = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(file), "GITHUB_REPOSITORY": "octo/demo"}
    return actions_run(runner | changes)


def pull_request(**head: Any) -> dict[str, Any]:
    return {"pull_request": {"number": 12, "head": {"sha": SHA, "repo": {"full_name": "Octo/Demo"}, **head}}}


def test_outside_of_actions_there_is_no_run(tmp_path: Path) -> None:
    assert run(tmp_path, "pull_request", pull_request(), GITHUB_ACTIONS="") is None


def test_a_pull_request_of_the_repository_itself(tmp_path: Path) -> None:
    assert run(tmp_path, "pull_request", pull_request()) == ActionsRun("octo/demo", 12, SHA)


@pytest.mark.parametrize("theirs", [{"full_name": "mallory/demo"}, None, {}])
def test_a_pull_request_from_elsewhere_or_from_a_deleted_fork_is_a_fork(tmp_path: Path, theirs: Any) -> None:
    found = run(tmp_path, "pull_request", pull_request(repo=theirs))
    assert found is not None
    assert found.fork


def test_pull_request_target_is_taken_with_a_warning(tmp_path: Path) -> None:
    found = run(tmp_path, "pull_request_target", pull_request())
    assert found is not None
    assert found.warning is not None
    assert (found.number, found.head_sha) == (12, SHA)


@pytest.mark.parametrize("inputs", [{"pull_request": "12"}, {"pull_request": 12}, {"number": "#12"}, {"pull_request": "", "number": "12"}])
def test_a_dispatched_run_takes_the_number_from_its_inputs(tmp_path: Path, inputs: dict[str, Any]) -> None:
    assert run(tmp_path, "workflow_dispatch", {"inputs": inputs}) == ActionsRun("octo/demo", 12, asked=True)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("push", {}),
        ("", {}),
        ("pull_request", "{"),
        ("pull_request", "[" * 100_000),
        ("pull_request", b"\xff\xfe".decode("latin-1")),
        ("pull_request", []),
        ("pull_request", {}),
        ("pull_request", pull_request(sha="../../x")),
        ("pull_request", {"pull_request": {"number": True, "head": {"sha": SHA}}}),
        ("workflow_dispatch", {"inputs": None}),
        ("workflow_dispatch", {"inputs": {"pull_request": "12; rm"}}),
    ],
)
def test_a_run_that_is_about_no_pull_request_is_a_usage_error_with_a_way_out(tmp_path: Path, name: str, event: Any) -> None:
    with pytest.raises(UsageError) as refused:
        run(tmp_path, name, event)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "changes", [{"GITHUB_REPOSITORY": "nobody"}, {"GITHUB_EVENT_PATH": ""}, {"GITHUB_EVENT_PATH": "/nowhere/event.json"}]
)
def test_a_runner_that_says_nothing_usable_is_a_usage_error(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        run(tmp_path, "pull_request", pull_request(), **changes)
