"""What a GitHub Actions run is about: the pull request that the runner's event names.

Only the runner's own variables and its event file are read, and nothing in the working directory, which may
be a stranger's checkout. See docs.github.com, "Events that trigger workflows" and "Variables".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prreview_cli.core.errors import UsageError

_MOST_BYTES = 25 << 20  # the host's own bound for a webhook's payload
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DISPATCH_INPUTS = ("pull_request", "number")

WIDE_OPEN = (
    "This workflow runs on pull_request_target: with secrets, for anybody's fork. That is safe only while no step checks out,"
    " builds or runs the pull request's code; prreview itself never does."
)


@dataclass(frozen=True, slots=True)
class ActionsRun:
    """The pull request of this run. `head_sha` None: the event does not say, so the host's head counts.
    `fork`: it comes from another repository, whose runs are given no secrets. `asked`: by a person who may start workflows.
    `label`: the one just given to it, by somebody who may label. `warning` is for the person who reads the log."""

    repository: str
    number: int
    head_sha: str | None = None
    fork: bool = False
    asked: bool = False
    label: str | None = None
    warning: str | None = None


def actions_run(environ: Mapping[str, str]) -> ActionsRun | None:
    """The run that this process is a step of; None outside GitHub Actions; UsageError if it is about no pull request."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return None
    name, repository = environ.get("GITHUB_EVENT_NAME", ""), environ.get("GITHUB_REPOSITORY", "")
    if _REPOSITORY.fullmatch(repository) is None:
        raise UsageError("GITHUB_REPOSITORY does not name a repository.", remedy="Name the pull request: prreview review OWNER/REPO#N.")
    match name:
        case "pull_request":
            return _of_pull_request(_event(environ), repository, None)
        case "pull_request_target":
            return _of_pull_request(_event(environ), repository, WIDE_OPEN)
        case "workflow_dispatch":
            return ActionsRun(repository, _dispatched(_event(environ)), asked=True)
    raise UsageError(
        f"A workflow run by the event {name[:60]!a} is about no pull request.",
        remedy="Run it on pull_request or workflow_dispatch, or name the pull request: prreview review OWNER/REPO#N.",
    )


def _event(environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        with Path(environ.get("GITHUB_EVENT_PATH", "")).open("rb") as file:
            data = json.loads(file.read(_MOST_BYTES))
    except OSError as error:
        raise _unreadable(str(error.strerror)) from None
    except (ValueError, RecursionError):  # the latter: a few thousand brackets
        raise _unreadable("it is not JSON") from None
    if not isinstance(data, dict):
        raise _unreadable("it is no JSON object")
    return data


def _of_pull_request(event: dict[str, Any], repository: str, warning: str | None) -> ActionsRun:
    pull = _table(event, "pull_request")
    head = _table(pull, "head")
    sha, theirs = head.get("sha"), head.get("repo")
    if not isinstance(sha, str) or _SHA.fullmatch(sha) is None:
        raise _unreadable("it names no head commit")
    # A fork that was deleted meanwhile has no repository any more.
    fork = not isinstance(theirs, dict) or str(theirs.get("full_name", "")).lower() != repository.lower()
    return ActionsRun(repository, _number(pull.get("number")), sha, fork, label=_label(event), warning=warning)


def _label(event: dict[str, Any]) -> str | None:
    label = event.get("label")
    name = label.get("name") if event.get("action") == "labeled" and isinstance(label, dict) else None
    return name if isinstance(name, str) else None


def _dispatched(event: dict[str, Any]) -> int:
    inputs = event.get("inputs")
    for name in _DISPATCH_INPUTS:
        if isinstance(inputs, dict) and inputs.get(name):
            return _number(inputs[name])
    raise UsageError(
        "The workflow was dispatched without the number of a pull request.",
        remedy="Give the workflow an input named pull_request, or name it: prreview review OWNER/REPO#N.",
    )


def _number(value: object) -> int:
    text = str(value).removeprefix("#")
    if isinstance(value, bool) or re.fullmatch(r"[1-9][0-9]{0,8}", text) is None:
        raise UsageError("The event does not name a pull request by its number.", remedy="Give a number such as 12.")
    return int(text)


def _table(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    if not isinstance(value, dict):
        raise _unreadable(f"it has no {key}")
    return value


def _unreadable(why: str) -> UsageError:
    return UsageError(
        f"The event file of this GitHub Actions run cannot be read: {why}.", remedy="Name the pull request: prreview review OWNER/REPO#N."
    )
