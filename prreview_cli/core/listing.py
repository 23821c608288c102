"""How changed files and their names are written for the model: one line each, and no line can be forged."""

from __future__ import annotations

import json
from collections.abc import Iterable
from difflib import get_close_matches

from prreview_cli.core.diff import Diff, FileDiff, LineKind


def name(path: str) -> str:
    """A path as it is; as a JSON string if it could be read as something else (line feeds, quotes, outer spaces)."""
    plain = path.isprintable() and path == path.strip() and '"' not in path and "\\" not in path
    return path if plain else json.dumps(path, ensure_ascii=not path.isprintable())


def entry(file: FileDiff) -> str:
    """A changed file in one line: what happened, its name, how many lines came and went."""
    moved = "" if file.old_path is None else f" (from {name(file.old_path)})"
    if file.binary:
        return f"{file.change} {name(file.path)}{moved} binary"
    kinds = [line.kind for hunk in file.hunks for line in hunk.lines]
    return f"{file.change} {name(file.path)}{moved} +{kinds.count(LineKind.ADDED)} -{kinds.count(LineKind.REMOVED)}"


def near(diff: Diff, path: str) -> str:
    """A sentence that names the changed files a wrong path may have meant."""
    known = [file.path for file in diff.files]
    close = get_close_matches(path[-300:], known, n=3, cutoff=0.5) or known[:3]
    if not close:
        return "No file's diff can be had."
    return f"Changed files with such names: {', '.join(map(name, close))}."


def clipped(text: str, limit: int) -> str:
    """The text, or its beginning and how much of it is missing; the result may exceed the limit by that note."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [{len(text) - limit} more characters are not shown]"


def size(text: str) -> int:
    """Bytes of UTF-8: what an answer is measured in, since tokens follow bytes more closely than characters."""
    return len(text.encode("utf-8", "replace"))


def fitting_lines(lines: Iterable[str], room: int) -> list[str]:
    """The first lines that fit into so many bytes, their line feeds included."""
    fitting = []
    for line in lines:
        room -= size(line) + 1
        if room < 0:
            break
        fitting.append(line)
    return fitting
