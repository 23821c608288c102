"""The agent's hands: four ways to read the two commits, one way to hand in a review, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prreview_cli.core import submission
from prreview_cli.core.arguments import Arguments
from prreview_cli.core.diff import FileDiff
from prreview_cli.core.listing import clipped, entry, fitting_lines, name, near, size
from prreview_cli.core.ports.snapshots import ContentError, Snapshot
from prreview_cli.core.review import Submission
from prreview_cli.core.toolspecs import SERVER_NAME, TOOLS, ToolSpec

ANSWER_BYTES = 60_000
"""The most that one answer holds. A file's diff beyond that never reaches the model whole, and is never "seen"."""

_LINE_CHARS = 2_000
_MATCHES = 200
_MATCH_CHARS = 300


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answers; an error is an answer too, and says what to do instead."""

    text: str
    is_error: bool = False


@dataclass(slots=True)
class Toolbox:
    """The tools of one review. `seen` are the changed paths whose whole diff has reached the model so far
    (in the prompt, or through `read_diff`); `submission` is the review, once one was accepted. `unasked` are
    changed paths that the profile leaves out: `read_diff` shows them only when it is asked for them by name."""

    snapshot: Snapshot
    max_comments: int
    seen: set[str] = field(default_factory=set)
    submission: Submission | None = None
    unasked: frozenset[str] = frozenset()

    async def call(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """Run the tool `name` (without the server's prefix). Never raises for what the model may have done wrong."""
        if self.submission is not None:
            return ToolResult("The review has been handed in already and was taken. You are done: end here.", is_error=True)
        try:
            match name:
                case "list_files":
                    return ToolResult(await self._list_files(Arguments(arguments, "glob", "revision")))
                case "read_file":
                    return ToolResult(await self._read_file(Arguments(arguments, "path", "start_line", "end_line", "revision")))
                case "search":
                    return ToolResult(await self._search(Arguments(arguments, "pattern", "glob", "revision")))
                case "read_diff":
                    return ToolResult(self._read_diff(Arguments(arguments, "path")))
                case "submit_review":
                    self.submission = submission.accept(arguments, self.snapshot.diff, self.max_comments)
                    return ToolResult("The review was taken. You are done: end here.")
                case _:
                    tools = ", ".join(tool.name for tool in TOOLS)
                    return ToolResult(f"There is no such tool. The tools are {tools}.", is_error=True)
        except (ContentError, submission.Refused) as refusal:
            return ToolResult(str(refusal), is_error=True)

    async def _list_files(self, given: Arguments) -> str:
        paths = await self.snapshot.list_files(given.glob(), given.revision())
        if not paths:
            return "No file has such a path."
        return _capped([name(path) for path in paths], "paths", "Narrow it with glob.")

    async def _read_file(self, given: Arguments) -> str:
        path, revision = given.text("path"), given.revision()
        first, last = given.line("start_line") or 1, given.line("end_line")
        if last is not None and last < first:
            raise ContentError(f"end_line {last} comes before start_line {first}.")
        lines = (await self.snapshot.read_file(path, revision)).split("\n")
        if not lines[-1]:
            lines.pop()  # what follows the last line feed is not a line
        if not lines:
            return f"{name(path)} at {revision} is empty."
        if first > len(lines):
            raise ContentError(f"{name(path)} at {revision} has {len(lines)} lines only.")
        wanted = lines[first - 1 : last]
        numbered = [f"{number:>5} {clipped(line, _LINE_CHARS)}" for number, line in enumerate(wanted, first)]
        fitting = fitting_lines(numbered, ANSWER_BYTES)
        end = first + len(fitting) - 1
        answer = [f"{name(path)} at {revision}, lines {first} to {end} of {len(lines)}:", *fitting]
        if len(fitting) < len(numbered):
            answer.append(f"[Cut here: an answer holds no more. Read on with start_line {end + 1}.]")
        return "\n".join(answer)

    async def _search(self, given: Arguments) -> str:
        pattern, glob, revision = given.text("pattern"), given.glob(), given.revision()
        found = await self.snapshot.search(pattern, glob, revision)
        if not found:
            return f"No line matches at {revision}."
        lines = [f"{name(match.path)}:{match.line}: {clipped(match.text, _MATCH_CHARS)}" for match in found]
        return _capped(lines, "matching lines", "Narrow it with glob or a closer pattern.", most=_MATCHES)

    # -- the diff ------------------------------------------------------------------------------------

    def _read_diff(self, given: Arguments) -> str:
        path = given.optional("path")
        return self._next_diffs() if path is None else self._one_diff(path)

    def _one_diff(self, path: str) -> str:
        file = self.snapshot.diff.file(path)
        if file is None:
            reason = dict(self.snapshot.diff.omitted).get(path)
            if reason is not None:
                raise ContentError(f"The diff of {name(path)} cannot be had: {reason}. Use read_file and search if you need it.")
            raise ContentError(f"{name(path)} is not a file that the pull request changes. {near(self.snapshot.diff, path)}")
        if size(file.text) > ANSWER_BYTES:
            remedy = "An answer holds no more: look at the rest of the file with read_file or search."
            return _capped(file.text.removesuffix("\n").split("\n"), "lines of this diff", remedy)
        if not file.binary:
            self.seen.add(file.path)
        return file.text

    def _next_diffs(self) -> str:
        """The list of changed files; then whole diffs, of those not seen yet if there are any, as many as fit."""
        files = self.snapshot.diff.files
        unseen = [file for file in files if self._to_be_seen(file)]
        listed = _capped(
            [*map(entry, files), *self._omitted()], "changed files", "Those after them can be read by path.", room=ANSWER_BYTES // 2
        )
        room, shown = ANSWER_BYTES - size(listed), list[FileDiff]()
        for file in unseen or [file for file in files if file.path in self.seen]:
            if size(file.text) <= room:
                room -= size(file.text)
                shown.append(file)
        self.seen.update(file.path for file in shown)
        left = [name(file.path) for file in files if self._to_be_seen(file)]
        rest = f"[{len(left)} diffs are left. Call read_diff again, or with the path of the next ones: {', '.join(left[:5])}.]"
        return "\n".join([listed, *(file.text for file in shown), *([rest] if left else [])])

    def _to_be_seen(self, file: FileDiff) -> bool:
        return not file.binary and file.path not in self.seen and file.path not in self.unasked

    def _omitted(self) -> Iterator[str]:
        for path, reason in self.snapshot.diff.omitted:
            yield f"not to be had: {name(path)} ({reason})"


def _capped(lines: list[str], what: str, remedy: str, *, most: int | None = None, room: int = ANSWER_BYTES) -> str:
    """As many lines as fit, and a note on those that do not."""
    fitting = fitting_lines(lines[:most], room)
    if len(fitting) == len(lines):
        return "\n".join(lines)
    return "\n".join([*fitting, f"[Not all {what} are shown. {remedy}]"])


__all__ = ["ANSWER_BYTES", "SERVER_NAME", "TOOLS", "ToolResult", "ToolSpec", "Toolbox"]
