"""How a person names a pull request: OWNER/REPO#N, or its page's address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from prreview_cli.core.errors import UsageError

_SHORT = re.compile(r"(?P<repository>[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)#(?P<number>[1-9][0-9]{0,8})")
_PATH = re.compile(r"/(?P<repository>[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)/pull/(?P<number>[1-9][0-9]{0,8})(/.*)?")


@dataclass(frozen=True, slots=True)
class PullRequestName:
    """A pull request as it was named; whether it exists is for the host to say."""

    repository: str
    number: int


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
