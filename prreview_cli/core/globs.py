"""Globs over paths, one meaning everywhere: `review.include`, `review.ignore` and the agent's tools.

    *.lock        a file of that name in any folder (no slash: any depth)
    src/*.py      directly in src (`*`, `?` and `[…]` never cross a slash)
    src/**        everything below src (`**` crosses slashes)
    **/test/**    everything below a folder named test
    docs, docs/   a folder's name stands for everything below it

Matching is linear in the path for each part of the glob, since both may come from a stranger: there
is no regular expression in which one `*` could be tried against another's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import lru_cache

MAX_LENGTH = 300
"""Longer globs are refused: nobody writes one."""


def matches(glob: str, path: str) -> bool:
    """Whether a relative path with `/` fits the glob; letters' case counts."""
    return matcher(glob)(path)


def first_match(globs: Iterable[str], path: str) -> str | None:
    """The first of the globs that the path fits."""
    return next((glob for glob in globs if matches(glob, path)), None)


@lru_cache(maxsize=256)
def matcher(glob: str) -> Callable[[str], bool]:
    """A predicate over paths; ValueError if the glob is empty or too long."""
    if not glob.strip("/") or len(glob) > MAX_LENGTH:
        raise ValueError(f"A glob has between 1 and {MAX_LENGTH} characters and names more than slashes.")
    parts = tuple(part for part in glob.split("/") if part)
    if "/" not in glob.rstrip("/"):
        parts = ("**", *parts)
    if glob.endswith("/"):
        parts = (*parts, "**")
    literal = not any(wild in glob for wild in "*?[")
    below = (*parts, "**")

    def fits(path: str) -> bool:
        names = tuple(path.split("/"))
        return _fits(parts, names) or (literal and _fits(below, names))

    return fits


def _fits(parts: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Match part by part; after a mismatch only the last `**` takes one name more, which suffices."""
    at = taken = 0
    restart: tuple[int, int] | None = None
    while taken < len(names):
        if at < len(parts) and parts[at] == "**":
            restart, at = (at + 1, taken), at + 1
            if at == len(parts):
                return True
        elif at < len(parts) and fnmatchcase(names[taken], parts[at]):
            at, taken = at + 1, taken + 1
        elif restart is not None:
            at, taken = restart[0], restart[1] + 1
            restart = (at, taken)
        else:
            return False
    return at == len(parts)
