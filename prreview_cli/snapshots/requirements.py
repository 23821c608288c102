"""What snapshots ask of the machine's git."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from prreview_cli.core.errors import UsageError
from prreview_cli.sandbox import Completed, environment, run

OLDEST = (2, 31)
"""From this version on git takes its settings from GIT_CONFIG_COUNT (git's release notes); an older one would not
hear ours, which keep it from running what a repository says."""

_WITHIN_S = 10.0
_SAYS_AT_MOST = 1 << 16


async def check_git() -> str:
    """The version of git; UsageError if there is none, if it is too old, or if it searches without Perl patterns."""
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
    return found[0]


async def _git(*arguments: str) -> Completed:
    with tempfile.TemporaryDirectory(prefix="prreview-git-") as folder:
        quiet = {"LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CEILING_DIRECTORIES": folder}
        return await run(["git", *arguments], env=environment(quiet), cwd=Path(folder), timeout_s=_WITHIN_S, max_output_bytes=_SAYS_AT_MOST)
