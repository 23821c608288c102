"""The diff of two commits, bounded: what cannot be had of it is named, and nothing in a tree can hide a file from it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, replace

from prreview_cli.core import diff
from prreview_cli.core.diff import Diff
from prreview_cli.core.errors import SnapshotFailed
from prreview_cli.snapshots.git import Git
from prreview_cli.snapshots.limits import Limits

_DIFF = (
    *("diff-tree", "-r", "--raw", "-p", "--full-index", "--find-renames", "--no-color", "--no-ext-diff", "--no-textconv", "-U3"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--ignore-submodules=none", "--no-relative"),
)
"""The plumbing command: it looks at no one's preferences. A file counts as binary by its content alone (a NUL in
its first 8,000 bytes) or by its size, since attributes are out of force (see `Git.create`)."""

_SHOWN = 100
_RAW = re.compile(rb":\d+ \d+ ([0-9a-f]+) ([0-9a-f]+) [A-Z]\d*\t([^\t]*)(?:\t([^\t]*))?")


@dataclass(frozen=True, slots=True)
class _Changed:
    """A line of the list of changed files that precedes the patch."""

    name: bytes
    blobs: tuple[str, str]

    @property
    def path(self) -> str:
        return self.name.decode("utf-8", "replace")


async def changes(git: Git, base: str, head: str, limits: Limits) -> Diff:
    """The diff from `base` to `head`; `omitted` names each changed file that is not in it. SnapshotFailed, SnapshotTooLarge."""
    done = await git.read(*_DIFF, base, head, timeout_s=limits.read_s, max_bytes=limits.diff_bytes)
    try:
        listed, whole, complete = await asyncio.to_thread(_read, done.stdout, cut=done.truncated)
    except ValueError as error:
        raise SnapshotFailed(f"git's diff could not be read. {error}") from error
    return _omit(whole, listed, await _large(git, whole, listed, limits), limits, complete=complete)


def _read(data: bytes, *, cut: bool) -> tuple[list[_Changed], Diff, bool]:
    """The list of changed files, the diff, and whether the list is complete."""
    raw, _, patch = data.partition(b"\n\n")
    complete = bool(patch) or not cut
    if cut:
        raw = raw if patch else raw[: raw.rfind(b"\n") + 1]
        patch = patch[: patch.rfind(b"\ndiff --git ") + 1]  # no line of a hunk begins so: the last file is cut
    listed = []
    for line in raw.splitlines():
        entry = _RAW.fullmatch(line)
        if entry is None:
            raise ValueError(f"The list of changed files has a line that is none: {line[:100]!r}.")
        listed.append(_Changed(diff.unquoted(entry[4] or entry[3]), (entry[1].decode(), entry[2].decode())))
    return listed, diff.parse(patch), complete


async def _large(git: Git, whole: Diff, listed: list[_Changed], limits: Limits) -> dict[str, int]:
    """The sizes of the files that git called binary only because they are large."""
    binary = {file.path for file in whole.files if file.binary}
    suspects = [changed for changed in listed if changed.path in binary]
    if not suspects:
        return {}
    asked = "".join(f"{blob}\n" for changed in suspects for blob in changed.blobs).encode()
    done = await git.read("cat-file", "--batch-check=%(objectsize)", stdin=asked, timeout_s=limits.read_s, max_bytes=limits.diff_bytes)
    sizes = [int(line) if line.isdigit() else 0 for line in done.stdout.splitlines()]  # a side that is not there is "missing"
    largest = map(max, sizes[::2], sizes[1::2])
    return {changed.path: size for changed, size in zip(suspects, largest, strict=False) if size > limits.file_bytes}


def _omit(whole: Diff, listed: list[_Changed], large: dict[str, int], limits: Limits, *, complete: bool) -> Diff:
    covered = listed[: limits.diff_files]
    hidden = [changed for changed in covered if _out_of_sight(changed, limits)]
    nameable = [changed for changed in covered if not _out_of_sight(changed, limits)]
    had = {file.path for file in whole.files}
    omitted: dict[str, str] = {}
    for changed in nameable:
        if changed.name != changed.path.encode():
            omitted[changed.path] = "its name is not UTF-8, so no comment can name it"
        elif changed.path in large:
            omitted[changed.path] = f"{large[changed.path]} bytes are too large to compare"
        elif changed.path not in had:
            omitted[changed.path] = f"the whole diff has more than {limits.diff_bytes} bytes, and this file is behind them"
    wanted = {changed.path for changed in nameable} - omitted.keys()
    if hidden:  # one entry for all: their names may be alike as far as they can be shown
        reason = f"a review covers names of {limits.path_bytes} bytes in {limits.depth} folders; the first is {hidden[0].path[:_SHOWN]}…"
        omitted[f"({len(hidden)} changed files, too deep or with too long a name)"] = reason
    more = len(listed) - limits.diff_files
    if not complete:
        reason = f"the list of changed files alone has more than {limits.diff_bytes} bytes"
        omitted[f"(at least {max(more, 0) + 1} more changed files)"] = reason
    elif more > 0:
        omitted[f"({more} more changed files)"] = f"a review covers {limits.diff_files} files at most"
    return replace(whole, files=tuple(file for file in whole.files if file.path in wanted), omitted=tuple(omitted.items()))


def _out_of_sight(changed: _Changed, limits: Limits) -> bool:
    """A name that would fill the prompt, and that nobody could read."""
    return len(changed.name) > limits.path_bytes or changed.name.count(b"/") > limits.depth
