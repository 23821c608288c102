"""Two fetched commits, as the agent's tools read them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from prreview_cli.core import globs
from prreview_cli.core.diff import Diff
from prreview_cli.core.listing import name
from prreview_cli.core.ports.snapshots import ContentError, Guidelines, Match, Revision
from prreview_cli.snapshots.git import Git
from prreview_cli.snapshots.limits import Limits
from prreview_cli.snapshots.searching import search
from prreview_cli.snapshots.tree import SUBMODULE, SYMLINK, Tree

_BINARY_WITHIN = 8_000
"""git's own rule: a NUL in the first 8,000 bytes makes a file binary (xdiff-interface.c)."""


@dataclass(slots=True)
class GitSnapshot:
    """See the port. Every answer comes from the commits' trees and blobs; no path of this machine is ever opened."""

    git: Git
    limits: Limits
    base_sha: str
    head_sha: str
    diff: Diff
    guidelines: Guidelines | None
    _trees: dict[Revision, Tree] = field(default_factory=dict)
    _listing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def list_files(self, glob: str | None, revision: Revision) -> list[str]:
        tree, fits = await self._tree(revision), _predicate(glob)
        found = await asyncio.to_thread(lambda: [path for path in tree.entries if fits(path)])
        listed, more = found[: self.limits.listed_files], len(found) - self.limits.listed_files
        if more > 0:
            listed.append(f"(the list ends here: {more} more files)")
        elif tree.cut:
            listed.append(f"(the list ends here: only the first {len(tree.entries)} files of this commit are known)")
        return listed

    async def read_file(self, path: str, revision: Revision) -> str:
        entry = (await self._tree(revision)).find(path)
        if entry.mode == SUBMODULE:
            raise ContentError(f"{name(path)} is a submodule at commit {entry.object_id}; its files are not part of this repository.")
        if entry.size > self.limits.file_bytes:
            raise ContentError(f"{name(path)} has {entry.size} bytes; files of more than {self.limits.file_bytes} bytes are not read.")
        data = await blob(self.git, entry.object_id, self.limits)
        if b"\0" in data[:_BINARY_WITHIN]:
            raise ContentError(f"{name(path)} is binary ({entry.size} bytes).")
        text = data.decode("utf-8", "replace")
        return f"(a symbolic link to) {text}" if entry.mode == SYMLINK else text

    async def search(self, pattern: str, glob: str | None, revision: Revision) -> list[Match]:
        tree = await self._tree(revision)
        return await search(self.git, self._sha(revision), tree, pattern, _predicate(glob), self.limits)

    async def _tree(self, revision: Revision) -> Tree:
        """The commit's tree, listed once."""
        async with self._listing:
            if revision not in self._trees:
                listed = ("ls-tree", "-r", "-z", "-l", "--full-tree", self._sha(revision))
                done = await self.git.read(*listed, timeout_s=self.limits.read_s, max_bytes=self.limits.tree_bytes)
                self._trees[revision] = await asyncio.to_thread(Tree.parse, done.stdout, cut=done.truncated)
            return self._trees[revision]

    def _sha(self, revision: Revision) -> str:
        return self.head_sha if revision is Revision.HEAD else self.base_sha


async def blob(git: Git, object_id: str, limits: Limits) -> bytes:
    """A blob's bytes, the first `file_bytes` of them."""
    done = await git.read("cat-file", "blob", object_id, timeout_s=limits.read_s, max_bytes=limits.file_bytes)
    return done.stdout


def _predicate(glob: str | None) -> Callable[[str], bool]:
    if glob is None:
        return lambda _: True
    try:
        return globs.matcher(glob)
    except ValueError as error:
        raise ContentError(str(error)) from None
