"""The completion scripts in the real shells: typed, with TAB."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "completions"
WITHIN_S = 20.0
COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\][^\x07]*\x07")

CASES = [
    ("prreview wor", "prreview work "),
    ("prreview serve --all", "prreview serve --allow-unsandboxed "),
    ("prreview work --un", "prreview work --until-empty "),
    ("prreview work --max-jobs 3 --un", "prreview work --max-jobs 3 --until-empty "),
    ("prreview jobs sh", "prreview jobs show "),
    ("prreview jobs list --sta", "prreview jobs list --state"),
    ("prreview jobs list --state qu", "prreview jobs list --state queued "),
    ("prreview profile che", "prreview profile check "),
    ("prreview status -p sta", "prreview status -p staging "),
    ("prreview load-test --agent scr", "prreview load-test --agent scripted "),
]


class Terminal:
    """A shell on a pseudo-terminal."""

    def __init__(self, master: int) -> None:
        self.master = master
        self.seen = ""

    def type(self, text: str) -> None:
        self.seen = ""
        os.write(self.master, text.encode())

    def expect(self, text: str) -> None:
        """Return once the shell has written it."""
        deadline = time.monotonic() + WITHIN_S
        while text not in COLOURS.sub("", self.seen):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(0.0, left))
            assert ready, f"{text!r} did not come: {self.seen!r}"
            self.seen += os.read(self.master, 4096).decode("utf-8", "replace")


@contextmanager
def terminal(home: Path, *command: str) -> Iterator[Terminal]:
    """A shell with nothing of this process's environment; gone afterwards."""
    master, slave = pty.openpty()
    environ = {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        "PS1": "READY>",
        "PRREVIEW_PROFILES_DIR": str(home / "profiles"),
    }
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environ, cwd=home, start_new_session=True)
    os.close(slave)
    try:
        yield Terminal(master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    for name in ("staging", "prod", "$(touch canary)"):
        (tmp_path / "profiles" / f"{name}.toml").touch()
    return tmp_path


def needs(shell: str) -> str:
    found = shutil.which(shell, path="/usr/bin:/bin")
    if found is None:
        pytest.skip(f"There is no {shell} here.")
    return found


def test_bash_completes_verbs_subcommands_options_and_values(home: Path) -> None:
    with terminal(home, needs("bash"), "--norc", "--noprofile", "-i") as bash:
        bash.expect("READY>")
        bash.type(f"bind 'set bell-style none'; source {SCRIPTS / 'prreview.bash'}; PS1=SET'>'\n")
        bash.expect("SET>")
        for typed, completed in CASES:
            bash.type(f"{typed}\t")
            bash.expect(completed)
            bash.type("\x15")
        bash.type("prreview status --profile=st\t")
        bash.expect("--profile=staging ")
        bash.type("\x15prreview status -p \t\t")
        bash.expect("prod")
    assert not (home / "canary").exists()


def test_zsh_completes_verbs_subcommands_options_and_values(home: Path) -> None:
    with terminal(home, needs("zsh"), "-f", "-i") as zsh:
        zsh.expect("READY>")
        zsh.type(f"fpath=({SCRIPTS} $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep; PS1=SET'>'\n")
        zsh.expect("SET>")
        for typed, completed in CASES:
            zsh.type(f"{typed}\t")
            zsh.expect(completed)
            zsh.type("\x15")
        zsh.type("prreview jobs \t")
        zsh.expect("List jobs")
    assert not (home / "canary").exists()


def test_fish_completes_verbs_subcommands_options_and_values(home: Path) -> None:
    lines = "\n".join(f'echo "= {typed}"; complete -C "{typed}"' for typed, _ in CASES)
    run = subprocess.run(
        [needs("fish"), "--no-config", "-c", f"source {SCRIPTS / 'prreview.fish'}\n{lines}"],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PRREVIEW_PROFILES_DIR": str(home / "profiles")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert run.stderr == ""
    answers = run.stdout.split("= ")[1:]
    assert len(answers) == len(CASES)
    for answer, (typed, completed) in zip(answers, CASES, strict=True):
        offered = {line.split("\t")[0] for line in answer.splitlines()[1:]}
        assert offered == {completed.split()[-1]}, typed


def test_the_scripts_are_current() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "tools" / "completions.py", "--check"], capture_output=True, text=True, timeout=60, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_what_is_not_for_everyday_use_is_not_offered() -> None:
    for script in ("prreview.bash", "_prreview", "prreview.fish"):
        text = (SCRIPTS / script).read_text()
        assert "--until-empty" in text or "-l until-empty" in text
        assert "parent" not in text
