"""What git says when a fetch fails, and which failure of ours that is.

git has one exit status for all of it, so its English messages are read (LC_ALL=C): http.c,
remote-curl.c, fetch-pack.c and upload-pack.c of git 2.39. What a server adds ("remote: …") decides
nothing; it is shown with the rest, redacted, bounded and without control characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from prreview_cli.core import errors

_TOO_MUCH = 300

_ADDRESS = re.compile(r"'https?://[^']*'")
_NOT_FOUND = re.compile(r"repository '[^']*' not found|returned error: 404")
_LOGIN = re.compile(r"Authentication failed|could not read (Username|Password)|terminal prompts disabled|returned error: 401")
_FORBIDDEN = re.compile(r"returned error: 403")
_LIMITED = re.compile(r"returned error: 429")
_REDIRECTED = re.compile(r"returned error: 30\d|unable to update url base from redirection")
_UNREACHABLE = re.compile(
    r"Could not resolve|Failed to connect|Connection (refused|reset|timed out)|returned error: 5\d\d|RPC failed|early EOF"
    r"|unexpected disconnect|hung up unexpectedly|Empty reply|Operation (too slow|timed out)|certificate|SSL|GnuTLS|TLS"
    r"|Couldn't connect|Recv failure|bad line length|expected flush|transfer closed",
)
_NO_SUCH_COMMIT = re.compile(r"not our ref|unadvertised object|couldn't find remote ref [0-9a-f]{40}|Server does not allow request")
_NO_SUCH_REF = re.compile(r"couldn't find remote ref (\S+)")


def no_such_commit(stderr: bytes) -> bool:
    """Whether the server would not give a commit by its SHA: it is gone, or the server never does."""
    return _NO_SUCH_COMMIT.search(_plain(stderr)) is not None


def missing_ref(stderr: bytes) -> str | None:
    """The ref that the server does not have."""
    found = _NO_SUCH_REF.search(_plain(stderr))
    return None if found is None else found[1]


def failure(stderr: bytes, repository: str, *, with_token: bool, redact: Callable[[str], str]) -> errors.Failure:
    """The failure that this fetch ended in."""
    text = _ADDRESS.sub("''", _plain(stderr))  # a repository may be called anything, openssl too
    said = redact(_plain(stderr, remote=True))[-_TOO_MUCH:]
    if _LOGIN.search(text):
        if with_token:
            return errors.HostTokenRejected(f"The code host does not accept the token for git ({repository}).")
        return errors.RepositoryForbidden(f"{repository} cannot be fetched without a token.")
    if _NOT_FOUND.search(text) or _FORBIDDEN.search(text):
        return errors.RepositoryForbidden(f"The token has no access to the commits of {repository}: {said}")
    if _LIMITED.search(text):
        return errors.HostRateLimited(f"The code host asked us to fetch {repository} later: {said}")
    if _REDIRECTED.search(text):
        remedy = "Set host.git_url to the address that it leads to: no redirect is followed, since the token would go along."
        return errors.SnapshotFailed(f"The code host redirects the fetch of {repository}.", remedy=remedy)
    if _UNREACHABLE.search(text):
        return errors.HostUnreachable(f"{repository} could not be fetched: {said}")
    return errors.SnapshotFailed(f"{repository} could not be fetched: {said}")


def _plain(stderr: bytes, *, remote: bool = False) -> str:
    """What git said, in one printable line, with what the remote said only if asked for."""
    lines = re.split(r"[\r\n]+", stderr.decode("utf-8", "replace"))
    text = " ".join(line for line in lines if remote or not line.startswith("remote:"))
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
