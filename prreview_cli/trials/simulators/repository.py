"""A bare git repository that a simulator serves: built by one `git fast-import`, asked through git's plumbing."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from prreview_cli.trials.simulators import small_project
from prreview_cli.trials.simulators.small_project import Change, Files

MAIN = "refs/heads/main"
_EPOCH = 1_760_000_000
_SERVED_AS_GITHUB_DOES = ("uploadpack.allowAnySHA1InWant=true", "uploadpack.allowFilter=true", "http.receivepack=false", "gc.auto=0")
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def git_environment(home: Path) -> dict[str, str]:
    """All that a git child of ours may know: nobody's configuration, no terminal."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
    }


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit to be made on `ref`; `parent` is a commit id or `:N`, the Nth of the same import (1-based)."""

    ref: str
    parent: str | None
    message: str
    files: Mapping[str, str | bytes | None]


@dataclass(frozen=True, slots=True)
class Hunk:
    """The line numbers, first and last, that a hunk spans on each side (an empty span ends before it begins)."""

    left: tuple[int, int]
    right: tuple[int, int]


@dataclass(frozen=True, slots=True)
class GitRepository:
    """A bare repository at `path`. Errors of git are CalledProcessError with its stderr."""

    path: Path

    @classmethod
    def create(cls, path: Path) -> Self:
        """An empty one, set up to serve what GitHub serves."""
        repository = cls(path)
        path.mkdir(parents=True)
        repository.git("init", "--quiet", "--bare", "--initial-branch=main", ".")
        config = "".join(f"[{key.partition('.')[0]}]\n\t{key.partition('.')[2].replace('=', ' = ')}\n" for key in _SERVED_AS_GITHUB_DOES)
        with (path / "config").open("a") as file:
            file.write(config)
        return repository

    def git(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """What this git command prints."""
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=self.path, env=git_environment(self.path), input=stdin, capture_output=True, check=True)
        return done.stdout

    def make(self, commits: Iterable[Commit]) -> list[str]:
        """Make these commits, move their refs, and name their ids in order."""
        made = list(commits)
        marks = self.path / "marks"
        self.git(
            "fast-import",
            "--quiet",
            "--force",
            f"--export-marks={marks}",
            stdin=b"".join(_imported(commit, mark) for mark, commit in enumerate(made, 1)),
        )
        ids = dict(line.split() for line in marks.read_text().splitlines())
        marks.unlink()
        return [ids[f":{mark}"] for mark in range(1, len(made) + 1)]

    def tip(self, ref: str) -> str:
        """The commit that a ref names."""
        return self.git("rev-parse", "--verify", f"{ref}^{{commit}}").decode().strip()

    def refs(self, prefix: str) -> dict[str, str]:
        """All refs below a prefix with their commits."""
        listed = self.git("for-each-ref", "--format=%(refname) %(objectname)", prefix).decode().splitlines()
        return dict(line.split(" ") for line in listed)

    def merge_base(self, one: str, other: str) -> str:
        """The best common ancestor."""
        return self.git("merge-base", one, other).decode().strip()

    def commits_between(self, base: str, head: str) -> list[str]:
        """The commits that `head` has and `base` has not, oldest first."""
        return self.git("rev-list", "--reverse", f"{base}..{head}").decode().split()

    def hunks(self, base: str, head: str) -> dict[str, list[Hunk]]:
        """The hunks of `base..head` by path (of a deleted file, its former path)."""
        found: dict[str, list[Hunk]] = {}
        old, path = "", ""
        for line in self.git(
            "-c", "core.quotePath=false", "diff", "--find-renames", "--no-color", "--no-ext-diff", base, head
        ).splitlines():
            if line.startswith(b"diff --git "):
                path = ""
            elif line.startswith(b"--- ") and not path:
                old = line[6:].decode()
            elif line.startswith(b"+++ ") and not path:
                path = old if line == b"+++ /dev/null" else line[6:].decode()
            elif path and (hunk := _HUNK.match(line)):
                found.setdefault(path, []).append(Hunk(_span(hunk[1], hunk[2]), _span(hunk[3], hunk[4])))
        return found


def build(path: Path, pulls: int) -> GitRepository:
    """The small project with pull requests 1..`pulls` at refs/pull/N/head.

    Every third of them began before the base branch moved on: there, tip and merge base differ.
    """
    repository = GitRepository.create(path)
    history = [
        _commit(MAIN, None, small_project.FIRST),
        _commit(MAIN, ":1", small_project.RULES),
        _commit(MAIN, ":2", small_project.MOVED_ON),
    ]
    repository.make([*history, *(_pull(number) for number in range(1, pulls + 1))])
    return repository


def grow(repository: GitRepository, numbers: Sequence[int]) -> dict[int, str]:
    """The small project's pull requests of these numbers, added to those that `build` made; the head of each."""
    before, tip = (repository.tip(f"{MAIN}{back}") for back in ("~1", ""))
    return dict(zip(numbers, repository.make(_pull(number, before, tip) for number in numbers), strict=True))


def _pull(number: int, before: str = ":2", tip: str = ":3") -> Commit:
    return _commit(f"refs/pull/{number}/head", before if number % 3 == 0 else tip, small_project.pull_request(number))


def _commit(ref: str, parent: str | None, change: Change) -> Commit:
    return Commit(ref, parent, f"{change.title}\n\n{change.body}".strip() + "\n", change.files)


def _imported(commit: Commit, mark: int) -> bytes:
    person = f"Ada Example <ada@example.org> {_EPOCH + 60 * mark} +0000"
    lines = [f"commit {commit.ref}", f"mark :{mark}", f"author {person}", f"committer {person}"]
    head = "\n".join(lines).encode() + b"\n" + _data(commit.message.encode())
    parent = b"" if commit.parent is None else f"from {commit.parent}\n".encode()
    return head + parent + b"".join(_file(path, text) for path, text in commit.files.items()) + b"\n"


def _file(path: str, text: str | bytes | None) -> bytes:
    quoted = '"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if text is None:
        return f"D {quoted}\n".encode()
    return f"M 100644 inline {quoted}\n".encode() + _data(text.encode() if isinstance(text, str) else text)


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)


def _span(start: bytes, length: bytes | None) -> tuple[int, int]:
    first, count = int(start), 1 if length is None else int(length)
    return first, first + count - 1


__all__ = ["MAIN", "Commit", "Files", "GitRepository", "Hunk", "build", "git_environment", "grow"]
