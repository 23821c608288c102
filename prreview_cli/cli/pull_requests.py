"""How a person names a pull request: OWNER/REPO#N, or its page's address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from prreview_cli.core import triggers
from prreview_cli.core.errors import RepositoryForbidden, UsageError
from prreview_cli.core.ports.host import CodeHost, PullRequest
from prreview_cli.core.profile import Profile

_SHORT = re.compile(r"(?P<repository>[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)#(?P<number>[1-9][0-9]{0,8})")
_PATH = re.compile(r"/(?P<repository>[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)/pull/(?P<number>[1-9][0-9]{0,8})(/.*)?")


@dataclass(frozen=True, slots=True)
class PullRequestName:
    """A pull request as it was named; whether it exists is for the host to say."""

    repository: str
    number: int


async def looked_up(host: CodeHost, name: PullRequestName) -> PullRequest:
    """The pull request as the host shows it; RepositoryForbidden, worded for whoever typed the name, if it shows none."""
    try:
        return await host.pull_request(None, name.repository, name.number)
    except RepositoryForbidden as unseen:
        raise RepositoryForbidden(
            f"{name.repository}#{name.number} is not there, or the token may not see it.", remedy="Check the name, and the token's access."
        ) from unseen


def expect_covered(profile: Profile, repository: str) -> None:
    """UsageError for a repository that the profile leaves out."""
    if not triggers.covers(profile.host.repositories, repository):
        raise UsageError(f"{repository} is not among host.repositories.", remedy="Add it to the profile first.")


def pull_request_name(text: str, git_url: str) -> PullRequestName:
    """The pull request that `text` names; an address must be of the profile's own host."""
    if found := _SHORT.fullmatch(text):
        return PullRequestName(found["repository"], int(found["number"]))
    if text.startswith(("https://", "http://")):
        address, host = urlsplit(text), urlsplit(git_url)
        if address.netloc.lower() != host.netloc.lower():
            raise UsageError(
                f"That address is not on {host.netloc}, the host of this profile.", remedy="Choose the profile of that host with --profile."
            )
        if found := _PATH.fullmatch(address.path.removeprefix(host.path.rstrip("/"))):
            return PullRequestName(found["repository"], int(found["number"]))
    raise UsageError("That does not name a pull request.", remedy="Write OWNER/REPO#NUMBER, or paste the address of its page.")
