"""Threats 57 to 60: a pull request's checkout around us, a runner that obeys what we print, and its credentials in our environment."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prreview_cli.agents.claude import folder as agent_folder
from prreview_cli.agents.claude.folder import JobFolder
from prreview_cli.cli import output
from prreview_cli.sandbox import environment
from prreview_cli.telemetry import formats
from prreview_cli.trials.simulators.behaviours import echoes
from support.hostile_text import FRAGMENTS
from support.installed import PROGRAM
from support.profiles import profile_file
from support.stage import Stage

REVIEW = ("review", "octo/shop#1", "--agent", "scripted", "--allow-unsandboxed")


def run(home: Path, cwd: Path, *words: str, command: Sequence[str] = (str(PROGRAM),), **variables: str) -> subprocess.CompletedProcess[str]:
    """`prreview` as a step of a workflow would run it, in this working directory."""
    given = {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **variables}
    return subprocess.run([*command, *words], cwd=cwd, env=given, capture_output=True, text=True, timeout=60, check=False)


# -- 57: the working directory is a stranger's -------------------------------------------------------------


def checkout_with(folder: Path, canary: Path, modules: set[str]) -> Path:
    """A checkout with modules of these names, each of which tells that it was run, and with settings for all that reads some."""
    folder.mkdir(exist_ok=True)
    for name in modules:
        (folder / f"{name}.py").write_text(f"with open({str(canary)!r}, 'a') as told:\n    told.write(__name__ + '\\n')\n")
    evil = {"host.api_url": "https://evil.test", "model.base_url": "https://evil.test"}
    for place in (folder, folder / "profiles", folder / ".config" / "prreview"):
        profile_file(place, evil, name="ci")
    for name in ("pip.conf", "pip.ini", ".env", ".netrc", "keyringrc.cfg", "pyvenv.cfg", ".gitconfig", "pyproject.toml", "setup.cfg"):
        (folder / name).write_text("[global]\nindex-url = https://evil.test\nANTHROPIC_BASE_URL=https://evil.test\n")
    (folder / "evil.pth").write_text(f"import os; os.mkdir({str(canary)!r})\n")
    return folder


@pytest.mark.without("an import path without the working directory")
def test_threat_57_no_module_that_a_pull_request_brings_is_imported(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    everything = {*sys.stdlib_module_names, *packages_distributions(), "sitecustomize", "usercustomize", "prreview_cli"}
    checkout = checkout_with(tmp_path / "checkout", canary, {name for name in everything if name.isidentifier()})
    with Stage(tmp_path) as stage:
        words = (*REVIEW, "--profile", str(stage.profile), "--json")

        def status(**how: Any) -> str:
            done = run(tmp_path, checkout, *words, **how)
            assert done.returncode == 0, done.stderr
            return str(json.loads(done.stdout)["status"])

        assert status() == "complete"
        assert not canary.exists(), canary.read_text()
        # `-m` itself puts the directory first: what it names is found there, and what it names afterwards is not.
        (checkout / "prreview_cli.py").unlink()
        assert status(command=(sys.executable, "-m", "prreview_cli")) == "complete"
        assert not canary.exists(), canary.read_text()

        other = checkout_with(tmp_path / "other", canary, {"httpx", "sitecustomize"})
        run(tmp_path, other, *words, command=(sys.executable, "-c", "from prreview_cli.__main__ import main; main()"))
        assert canary.read_text().split() == ["httpx"]
        run(tmp_path, other, "--version", PYTHONPATH=".")
        assert canary.read_text().split() == ["httpx", "sitecustomize"]


def test_threat_57_no_profile_or_setting_of_the_checkout_is_read(tmp_path: Path) -> None:
    checkout, home = checkout_with(tmp_path / "checkout", tmp_path / "canary", set()), tmp_path / "home"
    home.mkdir()
    for how in ({}, {"PRREVIEW_PROFILES_DIR": "", "XDG_CONFIG_HOME": ""}):
        done = run(home, checkout, "profile", "show", "ci", **how)
        assert (done.returncode, done.stdout) == (2, ""), how
        assert "evil" not in done.stderr
    assert run(home, checkout, "profile", "create", "ci").returncode == 0
    ours = run(home, checkout, "profile", "show", "ci")
    assert (ours.returncode, "evil" in ours.stdout) == (0, False), ours.stderr

    assert "evil" in run(home, checkout, "profile", "show", "./ci.toml").stdout


# -- 58: a runner that obeys what is printed -----------------------------------------------------------------

COMMANDS = ["::add-mask::x", " \u2003::set-env name=A::b", "::", ":", "##[add-mask]x", "##", "#", "[error]", "##vso[task.setvariable]x"]
commanding = st.lists(st.sampled_from([*COMMANDS, *FRAGMENTS, "\n", "\r\n", "\t"]) | st.text(max_size=3), max_size=12).map("".join)
SAID: dict[str, Callable[[str], object]] = {
    "say": output.say,
    "say_error": lambda text: output.say_error(text, text),
    "text": output.print_text,
    "table": lambda text: output.print_table(("A", ":"), [(text, ":"), ("", text), (":", text)]),
    "json": lambda text: output.print_json({text: text}),
    "event": lambda text: output.print_event({text: [text]}),
}


def obeyed(said: str) -> list[str]:
    """The lines that GitHub's runner takes for commands, or another one for its own (actions/runner, ActionCommand.cs)."""
    lines = said.replace("\r", "\n").split("\n")
    return [line for line in lines if line.lstrip().startswith("::") or "##[" in line or "##vso[" in line]


def heard(say: Callable[[str], object], text: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        say(text)
    return out.getvalue() + err.getvalue()


@pytest.mark.parametrize("how", SAID)
@given(text=commanding)
def test_threat_58_nothing_that_is_printed_is_a_command_to_a_runner(how: str, text: str) -> None:
    assert obeyed(heard(SAID[how], text)) == []


@given(text=commanding)
def test_threat_58_json_keeps_its_values_and_a_log_line_is_no_command_either(text: str) -> None:
    said = heard(lambda text: output.print_json({"text": text}), text)
    assert json.loads(said)["text"] == text
    line = formats.ShortLine(str).format(formats.logging.makeLogRecord({"name": "prreview.x", "msg": "e", "fields": {"title": text}}))
    assert obeyed(line) == []


@pytest.mark.without("the last look at each printed line")
def test_threat_58_and_without_the_last_look_each_way_of_printing_would_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "without_commands", str)
    monkeypatch.setattr(output, "json_without_commands", str)
    for how, say in SAID.items():
        assert obeyed(heard(say, "::add-mask::x\n::add-mask::x ##[add-mask]x")), how


async def test_threat_58_a_hostile_models_review_is_printed_in_actions_without_a_command(tmp_path: Path) -> None:
    said = "::add-mask::a\n   ::error file=x::y\n\n##[add-mask]z ::stop-commands::t\n::t::"
    with Stage(tmp_path) as stage:
        stage.model.script = echoes(said)
        text, data = tmp_path / "review.txt", tmp_path / "review.json"
        words = (*REVIEW, "--output", f"text={text}", "--output", f"json={data}")
        code, out, err = await stage.run(*words, GITHUB_ACTIONS="true", CI="true")
        assert code == 0, err
        assert out.count("add-mask") >= 4, "the review does not say what the test wants it to say"
        assert obeyed(out) + obeyed(err) + obeyed(text.read_text()) + obeyed(data.read_text()) == []
        assert json.loads(data.read_text())["summary"] == said


# -- 59: the runner's own credentials ------------------------------------------------------------------------

CANARY = "canary-of-the-runner"
RUNNERS = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_CACHE_URL", "GITHUB_TOKEN")


@pytest.mark.without("the list of what the agent may be given")
def test_threat_59_what_the_runner_puts_into_our_environment_reaches_neither_the_agent_nor_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*RUNNERS, "GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP", "NODE_OPTIONS"):
        monkeypatch.setenv(name, CANARY)

    def agents() -> set[str]:
        """The names and values of the environment that the agent's program is started with."""
        with JobFolder(tmp_path / "scratch") as folder:
            start = folder.program(Path("/usr/bin/env").resolve(), "http://127.0.0.1:1", "job-token", layers=())
            said = subprocess.run([start, "-0"], capture_output=True, text=True, timeout=20, check=True).stdout
        return {part for line in said.split("\0") for part in line.split("=", 1)}

    assert "job-token" in agents()
    assert not agents() & {CANARY, *RUNNERS}
    assert CANARY not in environment().values()

    monkeypatch.setattr(agent_folder, "_FROM_THE_SDK", tuple(os.environ))
    assert agents() >= {CANARY, *RUNNERS}


# -- 60: a fork without secrets ------------------------------------------------------------------------------


async def test_threat_60_a_fork_without_secrets_is_skipped_and_with_require_it_is_a_failure(tmp_path: Path) -> None:
    with Stage(tmp_path, changes={"secrets": {"model_api_key": "env:ANTHROPIC_API_KEY"}}) as stage:
        event = tmp_path / "event.json"
        head = {"sha": stage.hosted.pulls[1].head_sha, "repo": {"full_name": "mallory/shop"}}
        event.write_text(json.dumps({"pull_request": {"number": 1, "head": head}}))
        actions = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_REPOSITORY": "octo/shop"}
        for words, expected in (((), 0), (("--require",), 5)):
            code, out, _ = await stage.run("review", *REVIEW[2:], "--json", *words, **actions, GITHUB_EVENT_PATH=str(event))
            document = json.loads(out)
            assert (code, document["status"], document["posted"], document["coverage"]["full"]) == (expected, "skipped", None, False)
            assert "given no secrets" in document["reason"]
        assert (stage.host.requests, stage.model.requests) == ([], [])
