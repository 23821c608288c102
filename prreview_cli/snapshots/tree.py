"""What a commit's tree holds, by exact path."""

from __future__ import annotations

from dataclasses import dataclass

from prreview_cli.core.listing import name
from prreview_cli.core.ports.snapshots import ContentError

SYMLINK, SUBMODULE = "120000", "160000"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file (or symbolic link, or submodule) of a tree. `size` in bytes; 0 for a submodule."""

    mode: str
    object_id: str
    size: int


@dataclass(frozen=True, slots=True)
class Tree:
    """All files of a commit, in git's order. `cut`: there are more than could be listed."""

    entries: dict[str, Entry]
    cut: bool

    @classmethod
    def parse(cls, data: bytes, *, cut: bool) -> Tree:
        """Read the output of `git ls-tree -r -z -l`. A name that is not UTF-8 is listed with escapes, and cannot be asked for."""
        entries = {}
        for record in data.split(b"\0")[:-1]:
            facts, _, raw = record.partition(b"\t")
            mode, _, object_id, size = facts.decode("ascii").split()
            entries[raw.decode("utf-8", "backslashreplace")] = Entry(mode, object_id, int(size) if size.isdigit() else 0)
        return cls(entries, cut)

    def find(self, path: str) -> Entry:
        """The entry at exactly this path; ContentError, in a sentence for the agent, if there is none."""
        entry = None if _never_there(path) else self.entries.get(path)
        if entry is not None:
            return entry
        shown = name(path[:200])
        below = f"{path.rstrip('/')}/"
        if not _never_there(path) and any(known.startswith(below) for known in self.entries):
            raise ContentError(f"{shown} is a folder. Use list_files with the glob {name(below[:200])}**.")
        beyond = f" It has more files than can be listed: only the first {len(self.entries)} can be read." if self.cut else ""
        raise ContentError(f"There is no file {shown} in this commit. Paths are relative to the repository's root.{beyond}")


def _never_there(path: str) -> bool:
    """Names that a hostile tree may hold and that mean something to a file system: they resolve to nothing."""
    return "\0" in path or "\\" in path or any(part.lower() in {"", ".", "..", ".git"} for part in path.rstrip("/").split("/"))
