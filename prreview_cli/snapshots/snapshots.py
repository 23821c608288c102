"""Opening a snapshot: a private folder, one fetch, one diff; and nothing left of it afterwards."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from prreview_cli.core.errors import Failure, HostTokenRejected
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.snapshots import Guidelines, Snapshot, Wanted
from prreview_cli.snapshots.changes import changes
from prreview_cli.snapshots.fetching import DEFAULT, Fetcher, GiveToken
from prreview_cli.snapshots.git import Git
from prreview_cli.snapshots.limits import Limits
from prreview_cli.snapshots.snapshot import GitSnapshot, blob
from prreview_cli.snapshots.tree import Tree


class GitSnapshots:
    """Fetches from `{git_url}/OWNER/NAME.git` into folders under `scratch`, which it makes if need be.

    `token` is asked at each fetch, and once more with what the host refused, if it did; `rejected` is the failure if it
    refuses that too. `redact` is applied to whatever git says before it becomes an error.
    """

    def __init__(
        self,
        git_url: str,
        token: GiveToken,
        scratch: Path,
        clock: Clock,
        limits: Limits | None = None,
        redact: Callable[[str], str] = str,
        rejected: type[Failure] = HostTokenRejected,
    ) -> None:
        self._scratch, self._limits = scratch, limits or Limits()
        self._fetcher = Fetcher(git_url, token, clock, self._limits, redact, rejected)

    def open(self, wanted: Wanted) -> AbstractAsyncContextManager[Snapshot]:
        return self._open(wanted)

    @asynccontextmanager
    async def _open(self, wanted: Wanted) -> AsyncIterator[Snapshot]:
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix="snapshot-", dir=self._scratch))
        try:
            base = wanted.merge_base or await self._fetcher.merge_base(self._git(folder / "history", wanted), wanted)
            git = self._git(folder / "commits", wanted)
            await self._fetcher.commits(git, wanted, base)
            diff = await changes(git, base, wanted.head_sha, self._limits)
            guidelines = await guidelines_of(git, wanted.guidelines_path, self._limits)
            yield GitSnapshot(git, self._limits, base, wanted.head_sha, diff, guidelines)
        finally:
            # In a thread: it goes on to its end even if we are cancelled once more meanwhile.
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    def _git(self, folder: Path, wanted: Wanted) -> Git:
        limits = self._limits
        return Git.create(folder, limits.file_bytes, sha256=len(wanted.head_sha) == 64, memory_bytes=limits.memory_bytes)


async def guidelines_of(git: Git, path: str, limits: Limits) -> Guidelines | None:
    """The team's rules as the default branch has them: a pull request cannot bring its own."""
    listed = await git.ask("ls-tree", "-z", "-l", "--full-tree", DEFAULT, "--", path, timeout_s=limits.read_s, max_bytes=4_096)
    entry = Tree.parse(listed.stdout, cut=False).entries.get(path) if not listed.returncode else None
    if entry is None or not entry.mode.startswith("100") or entry.size > limits.file_bytes:
        return None
    data = await blob(git, entry.object_id, limits)
    text = data[: limits.guidelines_bytes].decode("utf-8", "replace")
    if len(data) > limits.guidelines_bytes:
        text += f"\n[The guidelines have {len(data)} bytes; they are cut here, after {limits.guidelines_bytes}.]"
    return Guidelines(text, entry.object_id)
