"""What snapshots ask of the machine's git."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from prreview_cli.core.errors import UsageError
from prreview_cli.sandbox import Completed, NotAProgram, environment, run
from prreview_cli.snapshots.reach import confinement

OLDEST = (2, 31)
"""From this version on git takes its settings from GIT_CONFIG_COUNT (git's release notes); an older one would not
hear ours, which keep it from running what a repository says."""

_WITHIN_S = 10.0
_SAYS_AT_MOST = 1 << 16


async def check_git() -> str:
    """The version of git; UsageError if there is none, if it is too old, if it searches without Perl patterns, or if it
    cannot work with the files alone that it is let at."""
    try:
        said = (await _git("version")).stdout.decode("utf-8", "replace").strip()
    except FileNotFoundError:
        raise UsageError("There is no git here.", remedy="Install git (`apt install git`).") from None
    found = re.search(r"(\d+)\.(\d+)(\S*)", said)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        raise UsageError(
            f"git says {said[:60]!a}; {'.'.join(map(str, OLDEST))} or newer is needed.",
            remedy="Install a newer git: an older one ignores our settings.",
        )
    if b"Perl" in (await _git("grep", "--no-index", "-P", "-e", "x", "--", ".")).stderr:
        raise UsageError(
            f"git {found[0]} was built without PCRE: searches fall back to POSIX patterns, and a model's patterns fail more often.",
            remedy="Install your distribution's git, which has it.",
        )
    try:
        fetching = await _git("remote-https", "origin", "https://localhost/", stdin=b"capabilities\n\n", confined=True)
    except NotAProgram as error:
        raise UsageError(f"git cannot be confined: {error}", remedy="Put git itself on the path, and no script.") from None
    if b"fetch" not in fetching.stdout.split():
        said = fetching.stderr.decode("utf-8", "replace").strip()
        raise UsageError(
            f"A git that is confined to its own files cannot fetch here: {said[:200]!a}", remedy="Install your distribution's git."
        )
    return found[0]


async def _git(*arguments: str, stdin: bytes | None = None, confined: bool = False) -> Completed:
    with tempfile.TemporaryDirectory(prefix="prreview-git-") as folder:
        quiet = {"LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CEILING_DIRECTORIES": folder}
        return await run(
            ["git", *arguments],
            env=environment(quiet),
            cwd=Path(folder),
            stdin=stdin,
            timeout_s=_WITHIN_S,
            max_output_bytes=_SAYS_AT_MOST,
            confinement=confinement(Path(folder), writable=False, tcp=False) if confined else None,
        )
