"""The first message to the model: what the pull request claims, the team's guidelines, the diffs that fit.

A tight prompt reviews better than a complete one, so only whole diffs within a budget are in it, the
likeliest places for faults first; the rest is reached through the tools. Nothing by strangers stands
outside the fences, and no author's name is in it: names in commits can be forged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from prreview_cli.core import globs
from prreview_cli.core.diff import Diff, FileDiff
from prreview_cli.core.listing import clipped, entry, fitting_lines, name, size
from prreview_cli.core.ports.host import PullRequest
from prreview_cli.core.ports.snapshots import Guidelines
from prreview_cli.core.reading_order import rank
from prreview_cli.core.review import Coverage, Omission
from prreview_cli.core.toolbox import ANSWER_BYTES

BUDGET_CHARS = 48_000
"""What the diffs in the prompt may have together: about 12,000 tokens."""

_TITLE, _BODY, _GUIDELINES, _LISTED, _LIST = 300, 6_000, 12_000, 300, 40_000


@dataclass(frozen=True, slots=True)
class Prompt:
    """The message; the paths whose whole diff is in it; the changed files that are not to be reviewed, and why."""

    text: str
    shown: frozenset[str]
    left_out: tuple[Omission, ...]


def build(
    pull: PullRequest,
    diff: Diff,
    guidelines: Guidelines | None,
    budget_chars: int = BUDGET_CHARS,
    include: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> Prompt:
    """The first message about this pull request. `include` and `ignore` are globs (`core.globs`); an empty `include` is all."""
    left_out = _left_out(diff, include, ignore)
    reasons = {omission.path: omission.reason for omission in left_out}
    shown, room = list[FileDiff](), budget_chars
    for file in sorted(diff.files, key=lambda file: rank(file.path)):
        if file.path not in reasons and len(file.text) <= room:
            shown.append(file)
            room -= len(file.text)
    paths = frozenset(file.path for file in shown)
    claims = f"Title: {clipped(pull.title, _TITLE)}\nBase branch: {pull.base_ref}\n\n{clipped(pull.body, _BODY) or '(no description)'}"
    parts = [
        (f"Review {_subject(pull)}, head {pull.head_sha}.\nWhat it claims:", claims),
        ("The team's guidelines, from the default branch:", "" if guidelines is None else clipped(guidelines.text, _GUIDELINES)),
        (f"The changed files ({len(diff.files) + len(diff.omitted)}):", _listed(diff, paths, reasons)),
        (f"The diffs of {len(shown)} of them, each whole:", "".join(file.text for file in shown)),
    ]
    return Prompt(_fenced(parts) + _next_step(diff, paths, reasons), paths, left_out)


def _subject(pull: PullRequest) -> str:
    """A range of a local clone has no number."""
    return f"pull request #{pull.number} of {pull.repository}" if pull.number else f"a change to {pull.repository}"


def coverage(diff: Diff, seen: Collection[str], left_out: Iterable[Omission]) -> Coverage:
    """What was reviewed: the changed files whose whole diff reached the model. Each other one has its reason."""
    reasons = {path: _because(reason) for path, reason in diff.omitted} | {omission.path: omission.reason for omission in left_out}
    reviewed, omitted = list[str](), list[Omission]()
    for file in diff.files:
        if file.path in seen:
            reviewed.append(file.path)
        else:
            omitted.append(Omission(file.path, reasons.get(file.path) or _unread(file)))
    changed = {file.path for file in diff.files}
    omitted += [Omission(path, reason) for path, reason in reasons.items() if path not in changed]
    return Coverage(tuple(reviewed), tuple(omitted))


def _left_out(diff: Diff, include: Sequence[str], ignore: Sequence[str]) -> tuple[Omission, ...]:
    found = list[Omission]()
    for file in diff.files:
        glob = globs.first_match(ignore, file.path)
        if glob is not None:
            found.append(Omission(file.path, f"left out by review.ignore ({glob})"))
        elif include and globs.first_match(include, file.path) is None:
            found.append(Omission(file.path, "not in review.include"))
        elif file.binary:
            found.append(Omission(file.path, "binary"))
    found += [Omission(path, _because(reason)) for path, reason in diff.omitted]
    return tuple(found)


def _because(reason: str) -> str:
    return f"its diff could not be had: {reason}"


def _unread(file: FileDiff) -> str:
    if file.binary:
        return "binary"
    if size(file.text) > ANSWER_BYTES:
        return f"its diff of {size(file.text)} bytes is too large to be read whole"
    return "its diff was not read"


def _listed(diff: Diff, shown: Collection[str], reasons: dict[str, str]) -> str:
    lines = [f"{entry(file)} · {_where(file, shown, reasons)}" for file in diff.files]
    lines += [f"changed {name(path)} · left out: {reasons[path]}" for path, _ in diff.omitted]
    fitting = fitting_lines(lines[:_LISTED], _LIST)
    more = f"\n… and {len(lines) - len(fitting)} more, which read_diff lists" if len(lines) > len(fitting) else ""
    return "\n".join(fitting) + more


def _where(file: FileDiff, shown: Collection[str], reasons: dict[str, str]) -> str:
    if file.path in shown:
        return "below"
    return f"left out: {reasons[file.path]}" if file.path in reasons else "read it with read_diff"


def _next_step(diff: Diff, shown: Collection[str], reasons: dict[str, str]) -> str:
    unread = sum(file.path not in shown and file.path not in reasons for file in diff.files)
    if not unread:
        return "These are all diffs to review. Look into what you suspect, then hand in with submit_review.\n"
    return f"{unread} more diffs are to be read with read_diff. Then look into what you suspect, and hand in with submit_review.\n"


def _fenced(parts: Sequence[tuple[str, str]]) -> str:
    """Each heading with its text between marks. The key is drawn from the texts themselves, so that none
    of them can hold it, and the same pull request makes the same prompt."""
    key = hashlib.sha256("\0".join(text for _, text in parts).encode("utf-8", "replace")).hexdigest()[:16]
    while any(key in text for _, text in parts):
        key = hashlib.sha256(key.encode()).hexdigest()[:16]
    return "".join(f"{heading}\n<data {key}>\n{text.rstrip()}\n</data {key}>\n\n" for heading, text in parts if text)
