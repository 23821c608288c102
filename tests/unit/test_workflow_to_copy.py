"""`deploy/github-actions.yml`: what a repository copies must be safe and must run."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from prreview_cli.cli.root import app

ROOT = Path(__file__).parents[2]
WORKFLOW = (ROOT / "deploy/github-actions.yml").read_text()
STEPS = WORKFLOW[WORKFLOW.index("    steps:") :]


def test_it_has_two_permissions_and_no_other() -> None:
    granted = re.search(r"^    permissions:\n((?:      .+\n)+)", WORKFLOW, re.MULTILINE)
    assert granted is not None
    assert granted[1].split() == ["contents:", "read", "pull-requests:", "write"]
    assert "\npermissions: {}\n" in WORKFLOW
    assert "pull_request_target" not in WORKFLOW.partition("\non:")[2]


def test_every_action_is_pinned_to_a_commit_and_none_checks_out_the_pull_request() -> None:
    used = re.findall(r"uses: (\S+)", STEPS)
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action) for action in used)
    assert STEPS.count("actions/checkout@") == 1
    assert "repository: YOUR-ORG/prreview" in STEPS
    assert "persist-credentials: false" in STEPS


def test_no_expression_stands_in_a_shell_script() -> None:
    scripts = re.findall(r"run: \|\n((?:          .+\n)+)|run: (.+)\n", STEPS)
    assert scripts
    assert all("${{" not in script for pair in scripts for script in pair)


def test_its_commands_and_options_are_ours() -> None:
    for line in re.findall(r"\.venv/bin/prreview (.+)", STEPS):
        words = line.split()
        verb = words[:2] if words[0] == "profile" else words[:1]
        told = CliRunner().invoke(app, [*verb, "--help"])
        assert told.exit_code == 0, line
        assert all(option in told.output for option in words if option.startswith("--"))
