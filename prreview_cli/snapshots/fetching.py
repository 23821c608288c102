"""Fetching exactly the commits that a review needs, in one go, with the token in that one child alone."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from prreview_cli.core.errors import Failure, HostTokenRejected, HostUnreachable, ProfileError, SnapshotFailed, SnapshotTooLarge
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.snapshots import Wanted
from prreview_cli.sandbox.child import Completed
from prreview_cli.secrecy import Secret
from prreview_cli.snapshots import refusals
from prreview_cli.snapshots.git import Git, folder_bytes
from prreview_cli.snapshots.limits import Limits

BASE, HEAD, DEFAULT = "refs/prreview/base", "refs/prreview/head", "refs/prreview/default"
"""Under which names the merge base, the head and the default branch stand in our repository."""

_LOOK_EVERY_S = 0.2
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_REPOSITORY = re.compile(r"(?!\.)[A-Za-z0-9._-]+/(?!\.{1,2}$)[A-Za-z0-9._-]+")
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FETCH = (
    *("fetch", "--quiet", "--no-progress", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance"),
    "--refmap=",
)
_NEAR, _ALL = 256, 2**31 - 1  # depths; the latter is git's own word for "everything"


GiveToken = Callable[[Wanted, Secret | None], Awaitable[Secret | None]]
"""What to show for a repository: None for nothing. Given what was just refused, another, or the same if there is none."""


class NoSuchCommit(Exception):
    """The server does not give a commit by its SHA."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches from `git_url`. The token is sent there alone: never along a redirect, in no argument, URL or file.

    `rejected` is the failure that a token means which the server does not accept.
    """

    git_url: str
    token: GiveToken
    clock: Clock
    limits: Limits
    redact: Callable[[str], str]
    rejected: type[Failure] = HostTokenRejected

    def __post_init__(self) -> None:
        url = urlsplit(self.git_url)
        plain = url.scheme == "http" and url.hostname in _LOOPBACK
        if not url.hostname or url.username or url.query or url.fragment or not (url.scheme == "https" or plain):
            raise ProfileError("host.git_url must be an https address without user or query (http on this machine alone).")

    async def commits(self, git: Git, wanted: Wanted, merge_base: str) -> None:
        """Fetch merge base, head and default branch, one commit deep, under the names above."""
        _check(wanted.head_sha, merge_base)
        by_sha = (f"{merge_base}:{BASE}", f"{wanted.head_sha}:{HEAD}")
        try:
            await self._fetch(git, wanted, (*by_sha, f"HEAD:{DEFAULT}"), "--depth=1")
        except NoSuchCommit:
            await self._by_ref(git, wanted, merge_base)

    async def merge_base(self, git: Git, wanted: Wanted) -> str:
        """Let git find the merge base in an empty repository that is thrown away: commits are fetched, no trees."""
        _check(wanted.head_sha, wanted.base_tip)
        refspecs = (f"{wanted.base_tip}:{BASE}", f"{wanted.head_sha}:{HEAD}")
        try:
            await self._fetch(git, wanted, refspecs, "--filter=tree:0")
        except NoSuchCommit:
            refspecs = (f"{wanted.base_tip}:{BASE}", f"refs/pull/{wanted.number}/head:{HEAD}")
            try:
                await self._fetch(git, wanted, refspecs, "--filter=tree:0")
            except NoSuchCommit:
                raise _gone(wanted) from None
        done = await git.ask("merge-base", BASE, wanted.head_sha, timeout_s=self.limits.read_s, max_bytes=1_024)
        if done.returncode == 1:
            raise SnapshotFailed(f"{wanted.head_sha} and the base branch of {wanted.repository} have no common commit.")
        if done.returncode:
            raise _gone(wanted)
        return done.stdout.decode("ascii").strip()

    async def _by_ref(self, git: Git, wanted: Wanted, merge_base: str) -> None:
        """The way for servers that give no commit by SHA: the pull request's ref, as deep as the merge base lies."""
        refspecs = (f"refs/pull/{wanted.number}/head:{HEAD}", f"HEAD:{DEFAULT}")
        for depth in (_NEAR, _ALL):
            try:
                await self._fetch(git, wanted, refspecs, f"--depth={depth}")
            except NoSuchCommit:
                raise _gone(wanted) from None
            head = await git.read("rev-parse", "--verify", HEAD, timeout_s=self.limits.read_s, max_bytes=1_024)
            if head.stdout.decode("ascii").strip() != wanted.head_sha:
                raise _gone(wanted)
            named = await git.ask("update-ref", BASE, merge_base, timeout_s=self.limits.read_s, max_bytes=1_024)
            if not named.returncode:
                return
        raise SnapshotFailed(f"The merge base {merge_base} of {wanted.repository}#{wanted.number} is not in the head's history.")

    async def _fetch(self, git: Git, wanted: Wanted, refspecs: Sequence[str], *options: str) -> None:
        if _REPOSITORY.fullmatch(wanted.repository) is None:
            raise SnapshotFailed(f"{wanted.repository[:100]!a} is not the name of a repository.")
        try:
            await self._fetch_by_token(git, wanted, refspecs, *options)
        except HostTokenRejected as refused:
            raise self.rejected(str(refused)) from None

    async def _fetch_by_token(self, git: Git, wanted: Wanted, refspecs: Sequence[str], *options: str) -> None:
        token = await self.token(wanted, None)
        try:
            await self._fetch_with(token, git, wanted.repository, refspecs, *options)
        except HostTokenRejected:
            another = None if token is None else await self.token(wanted, token)
            if another is None or another is token:
                raise
            await self._fetch_with(another, git, wanted.repository, refspecs, *options)

    async def _fetch_with(self, token: Secret | None, git: Git, repository: str, refspecs: Sequence[str], *options: str) -> None:
        url = f"{self.git_url.rstrip('/')}/{repository}.git"
        child = git.ask(
            *(*_FETCH, *options, "--", url, *refspecs),
            timeout_s=self.limits.fetch_s,
            max_bytes=0,
            protocols=urlsplit(self.git_url).scheme,
            config={} if token is None else {f"http.{self.git_url.rstrip('/')}/.extraHeader": _authorization(token)},
        )
        try:
            done = await self._watched(child, git.folder, repository)
        except TimeoutError:
            raise HostUnreachable(f"{repository} could not be fetched within {self.limits.fetch_s:g} s.") from None
        if not done.returncode:
            return
        if refusals.missing_ref(done.stderr) == "HEAD" and len(refspecs) > 1:  # an empty or detached default branch
            await self._fetch_with(token, git, repository, [spec for spec in refspecs if not spec.startswith("HEAD:")], *options)
        elif refusals.no_such_commit(done.stderr) or refusals.missing_ref(done.stderr):
            raise NoSuchCommit
        else:
            raise refusals.failure(done.stderr, repository, with_token=token is not None, redact=self._hidden(token))

    async def _watched(self, child: Coroutine[None, None, Completed], folder: Path, repository: str) -> Completed:
        """Await the child, and kill it when it has written more than it may: no option of git bounds a pack."""
        fetching = asyncio.ensure_future(child)
        try:
            while True:
                done = fetching.done()
                if await folder_bytes(folder) > self.limits.fetch_bytes:
                    raise SnapshotTooLarge(f"The commits of {repository} have more than {self.limits.fetch_bytes} bytes.")
                if done:
                    return fetching.result()
                pause = asyncio.ensure_future(self.clock.sleep(_LOOK_EVERY_S))
                try:
                    await asyncio.wait((fetching, pause), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    await _ended(pause)
        finally:
            await _ended(fetching)

    def _hidden(self, token: Secret | None) -> Callable[[str], str]:
        """Redaction that knows this fetch's own token, in both forms, whatever the profile's matcher knows."""
        forms = () if token is None else (token.reveal(), _authorization(token).rpartition(" ")[2])

        def hide(text: str) -> str:
            for form in forms:
                text = text.replace(form, "…")
            return self.redact(text)

        return hide


def _check(*shas: str) -> None:
    for sha in shas:
        if _SHA.fullmatch(sha) is None:
            raise SnapshotFailed(f"{sha[:100]!a} is not a commit's SHA.")


def _gone(wanted: Wanted) -> SnapshotFailed:
    pull = f"{wanted.repository}#{wanted.number}"
    return SnapshotFailed(
        f"The host does not give {wanted.head_sha} as the head of {pull} any more: the head moved while it was fetched.",
        remedy="Nothing to do: the pull request is looked at again, and its newest head is reviewed.",
    )


def _authorization(token: Secret) -> str:
    return "Authorization: Basic " + base64.b64encode(f"x-access-token:{token.reveal()}".encode()).decode("ascii")


async def _ended(task: asyncio.Future[Any]) -> None:
    """Cancel and await a task whose outcome does not matter any more."""
    task.cancel()
    await asyncio.wait((task,))
