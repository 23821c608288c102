"""Searching a commit with `git grep`: in a child, so that a pattern that never ends holds up nobody."""

from __future__ import annotations

import re
from collections.abc import Callable

from prreview_cli.core.errors import SnapshotFailed
from prreview_cli.core.ports.snapshots import ContentError, Match
from prreview_cli.sandbox.child import Completed
from prreview_cli.snapshots.git import Git, out_of_memory
from prreview_cli.snapshots.limits import Limits, MiB
from prreview_cli.snapshots.tree import Tree

_PATTERN_CHARS = 1_000
_TEXT_CHARS = 1_000
_OUTPUT_BYTES = 4 * MiB
_EXCLUDED_BYTES = 100_000  # names included, whatever a tree calls its files: one word of a command has room for 131,071 (execve(2))
_NO_PATTERN = re.compile("[\n\0\ud800-\udfff]")
_RECORD = re.compile(rb"([^\0]+)\0(\d+)\0([^\n]*)\n")


async def search(git: Git, commit: str, tree: Tree, pattern: str, fits: Callable[[str], bool], limits: Limits) -> list[Match]:
    """The lines that a Perl-compatible pattern matches in the files that `fits`, in git's order. ContentError."""
    if not pattern or len(pattern) > _PATTERN_CHARS or _NO_PATTERN.search(pattern):
        raise ContentError(
            f"A pattern has between 1 and {_PATTERN_CHARS} characters, and neither line feed, NUL nor half a surrogate pair: "
            "it matches within a line."
        )
    pathspecs = _without_large(tree, limits)
    done = await _grep(git, "-P", pattern, commit, pathspecs, limits)
    if b"cannot use Perl-compatible regexes" in done.stderr:  # a git without PCRE
        done = await _grep(git, "-E", pattern, commit, pathspecs, limits)
    if done.returncode not in {0, 1} and not done.truncated:
        raise _refusal(done)
    found = _matches(done.stdout, len(commit) + 1, fits, limits.matches)
    if not found and done.truncated:
        raise ContentError("The pattern matches too much to be shown. Use a closer one.")
    return found


async def _grep(git: Git, dialect: str, pattern: str, commit: str, pathspecs: list[str], limits: Limits) -> Completed:
    # As text, whatever it holds: a NUL would hide a file otherwise.
    options = ("-n", "-z", "--text", "--full-name", "--no-color", "--no-textconv", dialect, "-e", pattern)
    try:
        return await git.ask("grep", *options, commit, "--", *pathspecs, timeout_s=limits.search_s, max_bytes=_OUTPUT_BYTES)
    except TimeoutError:
        raise ContentError(f"The search took longer than {limits.search_s:g} s. Use a simpler pattern.") from None


def _without_large(tree: Tree, limits: Limits) -> list[str]:
    """Pathspecs that leave out the large files, as many as fit into a command."""
    pathspecs, room = [], _EXCLUDED_BYTES
    for path in sorted((path for path, entry in tree.entries.items() if entry.size > limits.file_bytes), key=len):
        pathspecs.append(f":(exclude,top,literal){path}")
        room -= len(pathspecs[-1].encode())
        if room < 0:
            return pathspecs[:-1]
    return pathspecs


def _refusal(done: Completed) -> ContentError | SnapshotFailed:
    said = ascii(done.stderr.decode("utf-8", "replace").strip()[-300:])
    if out_of_memory(done):
        return ContentError("The search ran out of memory: this commit has files too large to be searched. Read what you need.")
    if b"-e option" in done.stderr or b"pcre" in done.stderr.lower():
        return ContentError(f"The pattern cannot be used: {said}.")
    return SnapshotFailed(f"The commit could not be searched: {said}")


def _matches(output: bytes, prefix: int, fits: Callable[[str], bool], most: int) -> list[Match]:
    """The records `COMMIT:PATH NUL LINE NUL TEXT LF`; a path may hold line feeds, so each begins where the last ended."""
    found: list[Match] = []
    at = 0
    while len(found) < most and (record := _RECORD.match(output, at)) is not None:
        at = record.end()
        path = record[1][prefix:].decode("utf-8", "backslashreplace")
        if fits(path):
            found.append(Match(path, int(record[2]), record[3].decode("utf-8", "replace").rstrip("\r")[:_TEXT_CHARS]))
    return found
