"""The two commits of a range in a clone on this machine, read as those of a pull request are.

Our own bare repository borrows the clone's objects (`objects/info/alternates`). So nothing is copied, nothing is
written into the clone, its work tree is never looked at, and its configuration and attributes have no say in how
the commits are compared and searched. A fetch from the path would start `git upload-pack` inside the clone, under
the clone's own configuration. The clone itself is asked four things only, by commands that run nothing: what
the two names mean, what their merge base is, what the head's commit says, and where its objects are.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prreview_cli.core.errors import SnapshotFailed, UsageError
from prreview_cli.core.ports.snapshots import Snapshot, Wanted
from prreview_cli.snapshots.changes import changes
from prreview_cli.snapshots.fetching import DEFAULT
from prreview_cli.snapshots.git import Git
from prreview_cli.snapshots.limits import Limits
from prreview_cli.snapshots.snapshot import GitSnapshot
from prreview_cli.snapshots.snapshots import guidelines_of

_LINE = 4_096
_MESSAGE = 65_536
_ANYWHERE = (Path("/"),)  # a clone may borrow from any other on this machine; it is only read


@dataclass(frozen=True, slots=True)
class Range:
    """What BASE..HEAD means in a clone: full SHAs, and the message of the head's commit."""

    base_tip: str
    head_sha: str
    merge_base: str
    message: str = ""


class LocalSnapshots:
    """`Snapshots` of the clone at `path`: its folder, a linked worktree's, or a bare repository."""

    def __init__(self, path: Path, scratch: Path, limits: Limits | None = None) -> None:
        self._scratch, self._limits = scratch, limits or Limits()
        self._clone = Git(_git_dir(path), self._limits.file_bytes, reads=_ANYWHERE)

    async def resolve(self, text: str) -> Range:
        """The commits that BASE..HEAD names; UsageError if it is no such range or names what is not there."""
        base, dots, head = text.partition("..")
        if not dots or not base or not head or ".." in head or head.startswith("."):
            raise UsageError(f"{text[:100]!a} is not a range.", remedy="Write BASE..HEAD, such as main..HEAD.")
        base_tip, head_sha = await self._commit(base), await self._commit(head)
        done = await self._clone.ask("merge-base", base_tip, head_sha, timeout_s=self._limits.read_s, max_bytes=_LINE)
        if done.returncode:
            raise UsageError(
                f"{base[:100]!a} and {head[:100]!a} have no common commit in this clone.",
                remedy="Fetch the whole history, if it is shallow.",
            )
        return Range(base_tip, head_sha, done.stdout.decode("ascii").strip(), await self._message(head_sha))

    def open(self, wanted: Wanted) -> AbstractAsyncContextManager[Snapshot]:
        return self._open(wanted)

    @asynccontextmanager
    async def _open(self, wanted: Wanted) -> AsyncIterator[Snapshot]:
        if wanted.merge_base is None:
            raise SnapshotFailed("The merge base of a local range has to be known before it is opened.")
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix="snapshot-", dir=self._scratch))
        try:
            git = Git.create(folder / "commits", self._limits.file_bytes, sha256=len(wanted.head_sha) == 64, reads=_ANYWHERE)
            await self._borrow(git)
            # There is no default branch to ask for: the rules are those that the head's author started from.
            await git.read("update-ref", DEFAULT, wanted.merge_base, timeout_s=self._limits.read_s, max_bytes=_LINE)
            diff = await changes(git, wanted.merge_base, wanted.head_sha, self._limits)
            guidelines = await guidelines_of(git, wanted.guidelines_path, self._limits)
            yield GitSnapshot(git, self._limits, wanted.merge_base, wanted.head_sha, diff, guidelines)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _commit(self, name: str) -> str:
        asked = ("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")
        done = await self._clone.ask(*asked, timeout_s=self._limits.read_s, max_bytes=_LINE)
        if done.returncode:
            raise UsageError(f"{name[:100]!a} is not a commit in this clone.", remedy="Name a branch, a tag or a SHA that is there.")
        return done.stdout.decode("ascii").strip()

    async def _message(self, sha: str) -> str:
        commit = await self._clone.ask("cat-file", "commit", sha, timeout_s=self._limits.read_s, max_bytes=_MESSAGE)
        return commit.stdout.partition(b"\n\n")[2].decode("utf-8", "replace").strip()

    async def _borrow(self, git: Git) -> None:
        done = await self._clone.read("rev-parse", "--git-path", "objects", timeout_s=self._limits.read_s, max_bytes=_LINE)
        objects = (self._clone.folder / os.fsdecode(done.stdout).rstrip("\n")).resolve()
        if "\n" in str(objects):
            raise SnapshotFailed("The path of the clone has a line break in it.", remedy="Move the clone.")
        info = git.folder / "objects" / "info"
        info.mkdir(mode=0o700)
        (info / "alternates").write_bytes(os.fsencode(f"{objects}\n"))


def _git_dir(path: Path) -> Path:
    """Where git keeps what it knows of the clone at `path`; looked up there alone, and not in the folders above."""
    inside = path / ".git"
    if inside.is_file():  # a linked worktree or a submodule
        said = os.fsdecode(inside.read_bytes()[:_LINE]).removeprefix("gitdir:").strip()
        inside = (path / said).resolve()
    for folder in (inside, path):
        if (folder / "HEAD").is_file():
            return folder.resolve()
    raise UsageError(f"{path} is not a git repository.", remedy="Run it in the top folder of a clone, or name one with --repo.")
