"""A unified diff as git prints it, parsed from bytes into files, hunks and lines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from prreview_cli.core.review import Side


class Change(StrEnum):
    """What happened to a file."""

    ADDED = "added"
    DELETED = "deleted"
    MODIFIED = "modified"
    RENAMED = "renamed"
    COPIED = "copied"


class LineKind(StrEnum):
    """A diff line's first character."""

    CONTEXT = " "
    ADDED = "+"
    REMOVED = "-"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a hunk with its number (1-based) on each side where it exists."""

    kind: LineKind
    old: int | None
    new: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """Consecutive lines; a multi-line anchor may not leave its hunk."""

    lines: tuple[Line, ...]

    def numbers(self, side: Side) -> tuple[int, ...]:
        """The line numbers of this hunk that a comment on `side` may name."""
        picked = (line.new if side is Side.RIGHT else line.old for line in self.lines)
        return tuple(number for number in picked if number is not None)


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One file's change. `path` is its name in the head (in the base, if deleted). `text` is the file's
    part of the diff, header included, as the model is shown it."""

    path: str
    old_path: str | None
    change: Change
    binary: bool
    hunks: tuple[Hunk, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Diff:
    """All changed files, in git's order. `omitted` names changed files whose diff could not be had, and why."""

    files: tuple[FileDiff, ...]
    omitted: tuple[tuple[str, str], ...] = ()

    def file(self, path: str) -> FileDiff | None:
        """The change of this path."""
        return next((file for file in self.files if file.path == path), None)


def parse(data: bytes) -> Diff:
    """The diff that `git diff` printed; ValueError, naming the line, if it is not one."""
    raise NotImplementedError
