"""One audit: each place is opened, recognised by how it begins, unpacked and searched; what fails is named."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from prreview_cli.audit import databases
from prreview_cli.audit.baseline import Baseline
from prreview_cli.audit.findings import Finding, NotScanned, Report
from prreview_cli.audit.journal import Entry, entries_of
from prreview_cli.audit.places import Place, places, why
from prreview_cli.audit.unpacking import BLOCK, UNPACKERS, Members, Unfinished, cannot_unpack, filled, packed_as, unpacked
from prreview_cli.audit.windows import Leak, Scanner
from prreview_cli.secrecy import Matcher

STDIN = "-"
JOURNAL_OF = "journal:"
MAX_FINDINGS = 10_000
"""So many in one source are told; a log can be made of nothing but findings, and somebody has to read them."""
_NESTED = 3
"""A stream is unpacked so often: logs are packed twice by mistake, and more often by malice."""


class Search:
    """Searches places one after the other and keeps the `report`. `on_progress` is told each block's source, once it is searched."""

    def __init__(self, matcher: Matcher, baseline: Baseline | None = None) -> None:
        self.report = Report(baseline=baseline is not None)
        self.on_progress: Callable[[str], None] = lambda _: None
        self._matcher, self._baseline = matcher, baseline
        self._seen: set[tuple[int, int]] = set()
        self._gaps: set[NotScanned] = set()
        self._columns_named: set[tuple[str, str]] = set()

    def path(self, path: Path, exclude: Sequence[str] = ()) -> None:
        """Search a file, or a folder with all that is in it but what the globs name. A file is searched once an audit."""
        for place in places(path, exclude):
            self._place(place)
        # A log may have been rotated meanwhile, to a name that was not there when its folder was listed.
        for place in places(path, exclude):
            if not place.named:
                self._place(place)

    def stream(self, stream: BinaryIO, source: str = STDIN) -> None:
        """Search a stream to its end."""
        self.report.sources += 1
        shown = self._matcher.redact(source)
        self._guarded(shown, lambda: self._blocks(shown, iter(lambda: stream.read(BLOCK), b"")))

    def journal(self, unit: str) -> None:
        """Search what the journal holds of a unit."""
        self.report.sources += 1
        source = self._matcher.redact(f"{JOURNAL_OF}{unit}")
        self._guarded(source, lambda: self._entries(source, entries_of(unit)))

    def not_scanned(self, source: str, reason: str) -> None:
        """Name something that is not searched. A name may hold a secret as well."""
        gap = NotScanned(self._matcher.redact(source), self._matcher.redact(reason))
        if gap not in self._gaps:
            self._gaps.add(gap)
            self.report.not_scanned.append(gap)

    def _place(self, place: Place) -> None:
        source = self._matcher.redact(str(place.path))
        if place.reason is not None:
            self.not_scanned(source, place.reason)
        else:
            self._guarded(source, lambda: self._file(source, place))

    def _guarded(self, source: str, search: Callable[[], object]) -> None:
        try:
            search()
        except Unfinished as error:
            self.not_scanned(source, str(error))
        except FileNotFoundError:
            self.not_scanned(source, "it went away while the audit ran")
        except OSError as error:
            self.not_scanned(source, f"it cannot be read: {why(error)}")

    def _file(self, source: str, place: Place) -> None:
        with _opened(place) as file:
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) in self._seen:
                return
            self._seen.add((status.st_dev, status.st_ino))
            if stat.S_ISREG(status.st_mode):
                self.report.sources += 1
                head = self._blocks(source, _as_long_as_it_was(file, status.st_size), place.path)
            elif stat.S_ISFIFO(status.st_mode) and place.named:
                self.stream(file, source)
                return
            else:
                raise Unfinished("it is neither a file nor a pipe")
        if head.startswith(databases.MAGIC):
            for companion in databases.companions(place.path):
                self._place(Place(companion, named=place.named))
            self._columns(source, place.path)

    def _blocks(self, source: str, pieces: Iterable[bytes], path: Path | None = None, depth: int = 0) -> bytes:
        """Search the pieces of one stream; how it begins."""
        blocks = filled(pieces)
        head = next(blocks, b"")
        beginning = head[:64]
        packing = packed_as(head)
        whole = chain((head,), blocks)
        if packing in UNPACKERS and depth < _NESTED:
            assert packing is not None
            del head
            self._blocks(source, unpacked(packing, whole), depth=depth + 1)
            return beginning
        scanner, members, before = Scanner(self._matcher, head), Members(head), self.report.told
        del head
        try:
            for block in whole:
                self.report.scanned_bytes += len(block)
                self._found(source, scanner.feed(block))
                members.feed(block)
                self.on_progress(source)
                self._stop_at_too_many(before)
        finally:
            self._found(source, scanner.finish())
        if packing is not None:
            raise Unfinished(cannot_unpack(packing))
        if members.packing is not None:
            raise Unfinished(f"it is an archive, and a file in it is packed ({members.packing}); unpack the archive and search its folder")
        if path is None and beginning.startswith(databases.MAGIC):
            raise Unfinished("a database in a stream is searched as bytes alone, where a long value may be cut; name it as a file")
        return beginning

    def _columns(self, source: str, path: Path) -> None:
        before = self.report.told
        with closing(databases.cells(path)) as cells:
            for number, cell in enumerate(cells):
                for value in self._as_kept_and_unpacked(source, cell):
                    self._cell(source, cell, value)
                if number % 1_000 == 0:
                    self.on_progress(source)
                    self._stop_at_too_many(before)

    def _cell(self, source: str, cell: databases.Cell, value: bytes) -> None:
        for hit in self._matcher.search(value):
            column = self._matcher.redact(f"{source}#{cell.column}")
            self._found(column, [Leak.of(hit, value, cell.row)])

    def _entries(self, source: str, entries: Generator[Entry, None, None]) -> None:
        before = self.report.told
        with closing(entries):
            for number, entry in enumerate(entries, 1):
                self.report.scanned_bytes += sum(len(value) for _, value in entry)
                # One look at all values together (a control character parts them): nearly every entry is clean.
                if self._matcher.search(b"\x01".join(value for _, value in entry)) or any(packed_as(value) for _, value in entry):
                    for cell in (databases.Cell(name, number, value) for name, value in entry):
                        for value in self._as_kept_and_unpacked(source, cell):
                            self._cell(source, cell, value)
                if number % 1_000 == 0:
                    self.on_progress(source)
                    self._stop_at_too_many(before)

    def _as_kept_and_unpacked(self, source: str, cell: databases.Cell) -> Iterator[bytes]:
        """A value, and what it unpacks to: our own database keeps the bodies of deliveries packed."""
        yield cell.value
        packing, trouble = packed_as(cell.value), ""
        if packing in UNPACKERS:
            assert packing is not None
            whole = bytearray()
            try:
                for piece in unpacked(packing, [cell.value]):
                    whole += piece
                    if len(whole) > databases.MAX_VALUE:
                        trouble = f"a packed value has more than {databases.MAX_VALUE >> 20} MiB"
                        break
            except Unfinished as damage:
                trouble = str(damage)
            yield bytes(whole)
            packing = packed_as(whole)
        if reason := trouble or (packing and cannot_unpack(packing)):
            self._not_scanned_in(f"{source}#{cell.column}", cell.row, reason)

    def _not_scanned_in(self, column: str, row: int, reason: str) -> None:
        """Name a value, and of those with the same trouble in one column the first: there may be a million."""
        if (column, reason) not in self._columns_named:
            self._columns_named.add((column, reason))
            self.not_scanned(column, f"row {row}, and maybe later ones: {reason}")

    def _stop_at_too_many(self, before: int) -> None:
        if self.report.told - before >= MAX_FINDINGS:
            raise Unfinished(f"it has {MAX_FINDINGS} findings or more; the rest was not searched")

    def _found(self, source: str, leaks: Iterable[Leak]) -> None:
        for leak in leaks:
            finding = Finding.of(source, leak)
            if self._baseline is not None and self._baseline.accepts(finding, leak.token):
                self.report.accepted += 1
            else:
                self.report.findings.append(finding)


def _opened(place: Place) -> BinaryIO:
    """The place for reading. What was a file in its folder a moment ago may be a link or a pipe now: neither is followed."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY
    if not place.named:
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK
    return open(os.open(place.path, flags), "rb", buffering=0)  # noqa: PTH123 - from a descriptor; the caller closes it


def _as_long_as_it_was(file: BinaryIO, size: int) -> Iterator[bytes]:
    """A file's bytes up to its size when it was opened, so that a log which grows faster than it is read has an end.

    Files that know no size (in /proc) are read to their end.
    """
    left = size
    while block := file.read(min(BLOCK, left) if size else BLOCK):
        left -= len(block)
        yield block
        if size and not left:
            return
    if left > 0:
        raise Unfinished("it became shorter while it was read")
