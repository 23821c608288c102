"""A snapshot made of dictionaries, for what is told of contents without git."""

from __future__ import annotations

from dataclasses import dataclass, field

from prreview_cli.core import globs
from prreview_cli.core.diff import Diff, parse
from prreview_cli.core.ports.snapshots import ContentError, Guidelines, Match, Revision


def file_diff(path: str, *lines: str, old: int = 1, new: int = 1) -> str:
    """The diff of one file with one hunk of these marked lines."""
    counts = sum(line[0] in " -" for line in lines), sum(line[0] in " +" for line in lines)
    body = "".join(f"{line}\n" for line in lines)
    headline = f"diff --git a/{path} b/{path}\nindex 1..2 100644\n--- a/{path}\n+++ b/{path}\n"
    return f"{headline}@@ -{old},{counts[0]} +{new},{counts[1]} @@\n{body}"


def diff_of(*files: str, omitted: tuple[tuple[str, str], ...] = ()) -> Diff:
    """The diff with these files in it."""
    return Diff(parse("".join(files).encode()).files, omitted)


def binary(path: str) -> str:
    """The diff of a binary file."""
    return f"diff --git a/{path} b/{path}\nindex 1..2 100644\nBinary files a/{path} and b/{path} differ\n"


@dataclass
class Contents:
    """The port `Snapshot` over a dictionary of head files."""

    diff: Diff
    files: dict[str, str] = field(default_factory=dict)
    guidelines: Guidelines | None = None
    base_sha: str = "b" * 40
    head_sha: str = "a" * 40

    async def list_files(self, glob: str | None, revision: Revision) -> list[str]:
        return [path for path in self.files if glob is None or globs.matches(glob, path)]

    async def read_file(self, path: str, revision: Revision) -> str:
        if path not in self.files:
            raise ContentError(f"There is no file {path}.")
        return self.files[path] if revision is Revision.HEAD else f"base of {path}\n"

    async def search(self, pattern: str, glob: str | None, revision: Revision) -> list[Match]:
        return [
            Match(path, number, line)
            for path, text in self.files.items()
            for number, line in enumerate(text.split("\n"), 1)
            if pattern in line
        ]
