"""The entries of systemd's journal, as `journalctl -o export` writes them.

The format (https://systemd.io/JOURNAL_EXPORT_FORMATS): a line NAME=VALUE for each field that is plain text; else the line
NAME, the value's length in eight bytes, little-endian, the value, and a line feed. An empty line ends an entry.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Generator, Iterator
from typing import IO

from prreview_cli.audit.unpacking import BLOCK, Unfinished

MAX_VALUE = 16 << 20
"""A longer value would not fit into the memory that an audit may take."""
PROGRAM = "journalctl"
_MOST_SAID = 2_000

Entry = list[tuple[str, bytes]]


def entries_of(unit: str) -> Generator[Entry, None, None]:
    """Every entry of a unit that this user may see; Unfinished, at the end, if that may not be all."""
    command = [PROGRAM, "--output=export", "--no-pager", "--all", f"--unit={unit}"]
    surroundings = {name: os.environ[name] for name in ("PATH",) if name in os.environ} | {"LC_ALL": "C"}
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=surroundings, bufsize=BLOCK
        )
    except OSError as error:
        raise Unfinished(f"{PROGRAM} cannot be run: {(error.strerror or type(error).__name__).lower()}") from None
    assert process.stdout is not None
    assert process.stderr is not None
    said = _Said(process.stderr)
    count = 0
    try:
        for count, entry in enumerate(entries(process.stdout), 1):  # noqa: B007 - counted for the end
            yield entry
        code = process.wait()
    finally:
        process.kill()  # of use only where nobody wanted the rest
        process.wait()
        process.stdout.close()
    told = said.text()
    if code:
        raise Unfinished(f"{PROGRAM} ended with {code}: {told or 'it did not say why'}")
    if told:
        raise Unfinished(f"{PROGRAM} says: {told}")
    if not count:
        raise Unfinished(f"{PROGRAM} shows no entry of it; is that its name, and are you root or in the group systemd-journal?")


def entries(stream: IO[bytes]) -> Iterator[Entry]:
    """The entries of an export; Unfinished where it breaks off, and at the end if a value was too long to be searched."""
    entry: Entry = []
    left_out: list[str] = []
    while line := stream.readline(MAX_VALUE):
        if line == b"\n":
            if entry:
                yield entry
            entry = []
            continue
        name, equals, value = line.partition(b"=")
        field = name.decode("ascii", "replace").rstrip("\n")
        try:
            kept = _text(stream, value) if equals else _binary(stream)
        except Unfinished:
            if entry:
                yield entry
            raise
        if kept is None:
            left_out.append(field)
        else:
            entry.append((field, kept))
    if entry:
        yield entry
    if left_out:
        raise Unfinished(f"{', '.join(sorted(set(left_out)))}: a value of more than {MAX_VALUE >> 20} MiB")


def _text(stream: IO[bytes], value: bytes) -> bytes | None:
    """The value of a line; None if it is too long, and then it has been passed over."""
    if value.endswith(b"\n"):
        return value[:-1]
    rest = value
    while rest and not rest.endswith(b"\n"):
        rest = stream.readline(BLOCK)
    if not rest:
        raise Unfinished("the export breaks off in the middle of an entry")
    return None


def _binary(stream: IO[bytes]) -> bytes | None:
    size = int.from_bytes(_exactly(stream, 8), "little")
    if size <= MAX_VALUE:
        value = _exactly(stream, size)
        _exactly(stream, 1)
        return value
    left = size + 1
    while left:
        left -= len(_exactly(stream, min(left, BLOCK)))
    return None


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise Unfinished("the export breaks off in the middle of an entry")
    return data


class _Said:
    """What a child says on standard error: read while it runs, so that it never waits for us, and kept in part."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while piece := stream.read(BLOCK):
                self._kept = (self._kept + piece)[:_MOST_SAID]

    def text(self) -> str:
        """All of it, once the child has ended, as one line."""
        self._reader.join()
        return " ".join(self._kept.decode("utf-8", "replace").split()).removesuffix(".")
