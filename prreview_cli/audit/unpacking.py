"""Streams in blocks, and compressed streams unpacked, recognised by how they begin and never by a name."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterable, Iterator

BLOCK = 1 << 18
"""Larger ones are no faster, and a block of nothing but `ghp_ghp_…` makes a hundred bytes of each four."""
MAX_UNPACKED = 16 << 30
"""More than this out of one compressed stream is not searched: at 200 MB/s it would take a quarter of an hour."""
MAX_WINDOW = 8 << 20
"""What a decoder should support (RFC 8878, 3.1.1.1.2), and what `zstd -19` needs."""

_ZSTD_SLICE = 128
"""Bytes handed to zstd at once: a block of 128 KiB may be written in four, so that 4 MiB may come out."""


_TAR_BLOCK = 512
_DAMAGED = "its compressed data is damaged, or something else follows it"


class Unfinished(Exception):
    """The rest of a stream cannot be searched; the message is the reason, as a clause."""


def filled(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of BLOCK and less than twice as much. What came before a failure is given first."""
    held: list[bytes] = []
    size = 0
    try:
        for piece in pieces:
            for at in range(0, len(piece), BLOCK):
                held.append(piece[at : at + BLOCK])
                size += len(held[-1])
                if size >= BLOCK:
                    yield b"".join(held)
                    held, size = [], 0
    except (Unfinished, OSError):
        yield b"".join(held)
        raise
    if held:
        yield b"".join(held)


def packed_as(head: bytes | bytearray) -> str | None:
    """How a stream that begins so is compressed."""
    return next((name for name, magics in _MAGICS.items() if head.startswith(magics)), None)


def cannot_unpack(packing: str) -> str:
    """Why a packed stream was searched as it is, and what to do about it."""
    if packing == JOURNAL:
        return "it is a file of the journal, where long values are packed; search it with --journal UNIT"
    return f"it is packed as {packing}, which is not unpacked here; unpack it and search that"


class Members:
    """Looks whether what stands in a tar archive is packed by itself. An archive is made of blocks of 512 bytes (POSIX, ustar)."""

    def __init__(self, head: bytes) -> None:
        """`head` is how the stream begins; it is still to be fed."""
        self._is_archive = head[257:262] == b"ustar"
        self._rest = b""
        self.packing: str | None = None
        """How the first of the packed members is packed."""

    def feed(self, block: bytes) -> None:
        """Look at so much more of the stream."""
        if not self._is_archive or self.packing:
            return
        data = self._rest + block
        whole = len(data) - len(data) % _TAR_BLOCK
        self.packing = next(filter(None, (packed_as(data[at : at + _TAR_BLOCK]) for at in range(0, whole, _TAR_BLOCK))), None)
        self._rest = data[whole:]


def unpacked(packing: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The text of a compressed stream, in pieces of at most 4 MiB; Unfinished where it ends too early or is damaged."""
    total = 0
    for piece in UNPACKERS[packing](blocks):
        total += len(piece)
        if total > MAX_UNPACKED:
            raise Unfinished(f"it unpacks to more than {MAX_UNPACKED >> 30} GiB; the rest was not searched")
        yield piece


def _gunzip(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Every member, one after the other; zeros between and after them are padding (gzip's manual, on tapes)."""
    member = None
    for block in blocks:
        data = block
        while data := data if member else data.lstrip(b"\0"):
            member = member or zlib.decompressobj(zlib.MAX_WBITS | 16)
            yield from _inflated(member, data)
            data = member.unused_data
            if member.eof:
                member = None
    while member and not member.eof:
        piece = member.decompress(b"", BLOCK)
        if not piece and not member.eof:
            raise Unfinished("its compressed data ends too early")
        yield piece


def _inflated(member: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """All that this much of the member's data unpacks to."""
    while data and not member.eof:
        before = member.copy()
        try:
            piece = member.decompress(data, BLOCK)
        except zlib.error:
            yield from _salvaged(before, data)
            raise Unfinished(_DAMAGED) from None
        yield piece
        data = member.unconsumed_tail


def _salvaged(member: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """What comes before the damage: zlib gives nothing of a call that fails, so it is called for each byte."""
    with contextlib.suppress(zlib.error):
        for at in range(len(data)):
            yield member.decompress(data[at : at + 1])


def _unzstd(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Every frame, one after the other; those that a decoder skips as well."""
    import zstandard  # noqa: PLC0415 - few logs are compressed so

    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    frame = None
    for block in blocks:
        for at in range(0, len(block), _ZSTD_SLICE):
            data = block[at : at + _ZSTD_SLICE]
            while data:
                frame = frame or unpacker.decompressobj()
                try:
                    piece = frame.decompress(data)
                except zstandard.ZstdError as error:
                    raise Unfinished(_why(str(error))) from None
                if piece:
                    yield piece
                data = frame.unused_data if frame.eof else b""
                if frame.eof:
                    frame = None
    if frame is not None:
        raise Unfinished("its compressed data ends too early")


def _why(error: str) -> str:
    if "memory" in error:
        return f"it was compressed with a window of more than {MAX_WINDOW >> 20} MiB; unpack it (`zstd -dc --long=31`) and search that"
    return _DAMAGED


UNPACKERS: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {"gzip": _gunzip, "zstd": _unzstd}

JOURNAL = "a journal"

_MAGICS: dict[str, tuple[bytes, ...]] = {
    "gzip": (b"\x1f\x8b\x08",),
    "zstd": (b"\x28\xb5\x2f\xfd", *(bytes([low, 0x2A, 0x4D, 0x18]) for low in range(0x50, 0x60))),  # RFC 8878; the rest are skipped
    "bzip2": tuple(b"BZh%d1AY&SY" % level for level in range(1, 10)),
    "xz": (b"\xfd7zXZ\0",),
    "lz4": (b"\x04\x22\x4d\x18",),
    "zip": (b"PK\x03\x04",),
    "7z": (b"7z\xbc\xaf\x27\x1c",),
    JOURNAL: (b"LPKSHHRH",),  # https://systemd.io/JOURNAL_FILE_FORMAT/: long fields are compressed one by one
}
"""Those without an unpacker are searched as bytes and named: a clean bill for them would mean nothing."""
