"""How much of a repository is fetched, listed and read."""

from __future__ import annotations

from dataclasses import dataclass

MiB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds against pack bombs, a million files and one endless line. Bytes, seconds and counts."""

    fetch_bytes: int = 2048 * MiB  # on disk, watched while git fetches
    fetch_s: float = 300.0
    read_s: float = 60.0  # one look at the fetched objects
    search_s: float = 5.0
    diff_bytes: int = 8 * MiB  # the whole diff, some 300,000 lines; what does not fit is named
    diff_files: int = 3_000  # as many as the host's own list of changed files holds
    depth: int = 100  # folders above a changed file
    path_bytes: int = 1_000  # of a changed file's name, its folders included
    file_bytes: int = 10 * MiB  # a file larger than this is neither compared, read nor searched
    tree_bytes: int = 32 * MiB  # the listing of one commit: some 250,000 files
    listed_files: int = 5_000
    matches: int = 500
    guidelines_bytes: int = 16 * 1024
    memory_bytes: int = 1024 * MiB  # of one git process: ten trees that name each other hold a million files
