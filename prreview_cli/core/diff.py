"""A unified diff as git prints it, parsed from bytes into files, hunks and lines.

Git's form is strict enough to be read without guessing: a hunk's header counts its lines, so that no
line of code is ever taken for a header, and only a line feed ends a line (CR, form feed and U+2028 do not).
A file's name stands twice in its `diff --git` line, or in `rename`/`copy` lines; names elsewhere are
not needed. Sources: git-diff(1) "Generating patch text with -p", and diff.c of git 2.39.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn

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
    """One file's change. `path` is its name in the head (in the base, if deleted); `old_path` its name in
    the base where that is another: renamed and copied files. `text` is the file's part of the diff, header
    included, as git prints it and as the model is shown it."""

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
    """The diff that `git diff` printed; ValueError, naming the line, if it is not one.

    Bytes that are not UTF-8 become U+FFFD. A change of type (a file that became a symbolic link), which
    git prints as a removal and an addition of one path, is one modified file here.
    """
    reader = _Reader(data)
    files: list[FileDiff] = []
    while (line := reader.peek()) is not None:
        if not line.startswith(_START):
            reader.fail("is not the start of a file's diff")
        file = _file(reader)
        if files and files[-1].path == file.path and files[-1].change is Change.DELETED and file.change is Change.ADDED:
            file = _changed_type(files.pop(), file)
        files.append(file)
    return Diff(tuple(files))


_START = b"diff --git "
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_EXTENDED = re.compile(
    rb"((?:old|new|deleted file|new file) mode|(?:rename|copy) (?:from|to)|(?:dis)?similarity index|index) (.*)",
    re.DOTALL,  # a name may hold any byte but a line feed
)
_CHANGES = {
    b"new file mode": Change.ADDED,
    b"deleted file mode": Change.DELETED,
    b"rename to": Change.RENAMED,
    b"copy to": Change.COPIED,
}
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_LETTERS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b'"': b'"', b"\\": b"\\"}


@dataclass(slots=True)
class _Reader:
    """The diff's lines, and which of them is next."""

    data: bytes
    lines: list[bytes] = field(init=False)
    at: int = 0

    def __post_init__(self) -> None:
        self.lines = self.data.split(b"\n")
        if self.lines.pop():
            self.at = len(self.lines)
            self.fail("is cut short")

    def peek(self) -> bytes | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def take(self) -> bytes:
        line = self.peek()
        if line is None:
            self.fail("is missing")
        self.at += 1
        return line

    def name(self, raw: bytes, first: int) -> bytes:
        try:
            return unquoted(raw)
        except ValueError:
            self.fail("begins a file whose name cannot be read", first)

    def fail(self, what: str, at: int | None = None) -> NoReturn:
        raise ValueError(f"Line {(self.at if at is None else at) + 1} of the diff {what}.")


def _file(reader: _Reader) -> FileDiff:
    first = reader.at
    headline = reader.take().removeprefix(_START)
    change, names = Change.MODIFIED, dict[bytes, bytes]()
    while (header := _EXTENDED.match(reader.peek() or b"")) is not None:
        change = _CHANGES.get(header[1], change)
        names[header[1]] = header[2]
        reader.at += 1
    if change in {Change.RENAMED, Change.COPIED}:
        verb = b"rename" if change is Change.RENAMED else b"copy"
        old_path, path = (_text(reader.name(names.get(verb + end, b""), first)) for end in (b" from", b" to"))
    else:
        old_path, path = None, _text(_name_of_both(headline, reader, first))
    shown = [_text(line) for line in reader.lines[first : reader.at]]
    binary = _skip_binary(reader)
    if binary:
        shown.append("Binary files differ")
        return FileDiff(path, old_path, change, binary, (), _joined(shown))
    if (reader.peek() or b"").startswith(b"--- "):
        shown.append(_text(reader.take()))
        if not (reader.peek() or b"").startswith(b"+++ "):
            reader.fail("should name the new file after +++")
        shown.append(_text(reader.take()))
    hunks = []
    while (reader.peek() or b"").startswith(b"@@ "):
        shown.append(_text(reader.peek() or b""))
        hunks.append(_hunk(reader, shown))
    return FileDiff(path, old_path, change, binary, tuple(hunks), _joined(shown))


def _skip_binary(reader: _Reader) -> bool:
    first = reader.peek() or b""
    if first.startswith(b"Binary files ") and first.endswith(b" differ"):
        reader.at += 1
        return True
    if first != b"GIT binary patch":
        return False
    while (line := reader.peek()) is not None and not line.startswith(_START):
        reader.at += 1
    return True


def _hunk(reader: _Reader, shown: list[str]) -> Hunk:
    """Read one hunk and append what is shown of it; its header says how many lines each side has."""
    header = _HUNK.match(reader.peek() or b"")
    if header is None:
        reader.fail("is not a hunk's header")
    reader.at += 1
    old, new = int(header[1]), int(header[3])
    old_end, new_end = old + int(header[2] or 1), new + int(header[4] or 1)
    lines: list[Line] = []
    while old < old_end or new < new_end or (reader.peek() or b"").startswith(b"\\"):
        raw = reader.take()
        text, mark = _text(raw[1:]), raw[:1]
        if mark == b" " and old < old_end and new < new_end:
            lines.append(Line(LineKind.CONTEXT, old, new, text))
            old, new = old + 1, new + 1
        elif mark == b"+" and new < new_end:
            lines.append(Line(LineKind.ADDED, None, new, text))
            new += 1
        elif mark == b"-" and old < old_end:
            lines.append(Line(LineKind.REMOVED, old, None, text))
            old += 1
        elif mark == b"\\" and lines:
            shown.append(_text(raw))
            continue
        else:
            reader.fail("does not belong into its hunk", reader.at - 1)
        shown.append(f"{lines[-1].kind}{text}")
    return Hunk(tuple(lines))


def _name_of_both(headline: bytes, reader: _Reader, first: int) -> bytes:
    """The name in `a/NAME b/NAME` or `NAME NAME`: unless the file was moved, both halves have one length,
    so that spaces in the name are no riddle."""
    middle = len(headline) // 2
    old, space, new = headline[:middle], headline[middle : middle + 1], headline[middle + 1 :]
    old, new = reader.name(old, first), reader.name(new, first)
    if old != new:
        (old_prefix, _, old), (new_prefix, _, new) = old.partition(b"/"), new.partition(b"/")
        if len(old_prefix) != 1 or len(new_prefix) != 1:
            space = b""
    if space != b" " or old != new or not new:
        reader.fail("does not name one file twice", first)
    return new


def unquoted(name: bytes) -> bytes:
    """A name as it is, without git's quotes and escapes; ValueError if the quotes do not close."""
    if not name.startswith(b'"'):
        return name
    quoted = _QUOTED.fullmatch(name)
    if quoted is None:
        raise ValueError("A name in the diff has quotes that do not close.")
    return _ESCAPE.sub(lambda escape: _LETTERS.get(escape[1]) or bytes([int(escape[1], 8) & 0xFF]), quoted[1])


def _changed_type(removed: FileDiff, added: FileDiff) -> FileDiff:
    binary = removed.binary or added.binary
    hunks = () if binary else removed.hunks + added.hunks
    return FileDiff(added.path, None, Change.MODIFIED, binary, hunks, removed.text + added.text)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
