"""Reading the commits of a pull request, straight from git objects; there is never a work tree."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from prreview_cli.core.diff import Diff


class Revision(StrEnum):
    """Which of the two commits."""

    BASE = "base"  # the merge base
    HEAD = "head"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch. `merge_base` None: git has to find it from `base_tip` and `head_sha`. `repository_id` None: it goes
    by its name alone."""

    repository: str
    number: int
    head_sha: str
    base_tip: str
    merge_base: str | None
    guidelines_path: str
    repository_id: int | None = None


@dataclass(frozen=True, slots=True)
class Guidelines:
    """The repository's own rules, from its default branch. `version` is the blob's id."""

    text: str
    version: str


@dataclass(frozen=True, slots=True)
class Match:
    """A line found by `search`; `line` is 1-based."""

    path: str
    line: int
    text: str


class ContentError(Exception):
    """Something asked of a snapshot cannot be had; the message is for the agent."""


class Snapshot(Protocol):
    """The two commits of one pull request. Paths are relative, with `/`; a path that is not in the
    commit's tree (absolute, `..`, `.git` included) is a ContentError."""

    base_sha: str
    head_sha: str
    diff: Diff
    guidelines: Guidelines | None

    async def list_files(self, glob: str | None, revision: Revision) -> list[str]:
        """The paths of the files in the commit, in git's order, up to a bound that the last entry then names."""

    async def read_file(self, path: str, revision: Revision) -> str:
        """A file's text (invalid UTF-8 replaced; a symbolic link's target, said so). ContentError if it is
        not there, binary or too large."""

    async def search(self, pattern: str, glob: str | None, revision: Revision) -> list[Match]:
        """The lines that a regular expression matches, in git's order, bounded in number and in time.
        ContentError if the pattern cannot be compiled or takes too long."""


class Snapshots(Protocol):
    """Fetches snapshots and removes every trace of them afterwards."""

    def open(self, wanted: Wanted) -> AbstractAsyncContextManager[Snapshot]:
        """Fetch and open. SnapshotFailed, SnapshotTooLarge, HostTokenRejected, RepositoryForbidden or HostUnreachable if it cannot be."""
