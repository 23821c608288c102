"""Opening snapshots of repositories on a loopback server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from prreview_cli.core.ports.snapshots import Snapshot, Wanted
from prreview_cli.secrecy import Secret
from prreview_cli.snapshots import GitSnapshots, Limits
from support.git_repos import GitServer, LoopClock, Repository

TOKEN = "ghs_canary0123456789canary"


def wanted(head: str, base_tip: str, merge_base: str | None, repository: str = "octo/hello") -> Wanted:
    """Pull request 7 of that repository."""
    return Wanted(repository, 7, head, base_tip, merge_base, ".prreview.md")


def snapshots(server: GitServer, scratch: Path, limits: Limits | None = None, token: str | None = TOKEN) -> GitSnapshots:
    """What the composition root would build, over this server."""

    async def give(_wanted: Wanted, _refused: Secret | None) -> Secret | None:
        return None if token is None else Secret(token)

    return GitSnapshots(server.url, give, scratch, LoopClock(), limits)


async def nothing(_wanted: Wanted, _refused: Secret | None) -> None:
    """No token at all."""


def pull_request(server: GitServer, base: Mapping[str | bytes, object], head: Mapping[str | bytes, object]) -> tuple[Repository, Wanted]:
    """A repository whose main branch is one commit of `base` files, with a pull request that turns them into `head`."""
    repository = server.repository()
    before = repository.commit(base)  # type: ignore[arg-type]
    after = repository.commit(head, before)  # type: ignore[arg-type]
    repository.set("refs/heads/main", before)
    repository.set("refs/pull/7/head", after)
    return repository, wanted(after, before, before)


def opened(
    server: GitServer,
    scratch: Path,
    base: Mapping[str | bytes, object],
    head: Mapping[str | bytes, object],
    limits: Limits | None = None,
) -> AbstractAsyncContextManager[Snapshot]:
    """The snapshot of such a pull request."""
    _, pull = pull_request(server, base, head)
    return snapshots(server, scratch, limits).open(pull)
