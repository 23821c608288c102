"""Many short pieces looked for in one pass over the text. The only file that names the library that does it.

Hyperscan was chosen by measurement (docs/decisions/0007). Its scratch memory serves one scan at a time, so each thread has its own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hyperscan


class Engine:
    """Finds every place of every piece, overlapping ones too. Safe to share between threads."""

    __slots__ = ("_database", "_lengths", "_own")

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._lengths = [len(piece) for piece in pieces]
        self._own = threading.local()
        self._database: hyperscan.Database | None = None
        if pieces:
            import hyperscan  # noqa: PLC0415 - only who looks for something loads it

            # Vectored, with one buffer a scan: in block mode a second matcher for short texts is built, which takes 50 MiB.
            self._database = hyperscan.Database(mode=hyperscan.HS_MODE_VECTORED)
            self._database.compile(
                # The binding ends a pattern at its first NUL, and letters may mean something: each byte by its number.
                expressions=[b"".join(b"\\x%02x" % byte for byte in piece) for piece in pieces],
                ids=list(range(len(pieces))),
                elements=len(pieces),
                flags=[0] * len(pieces),
            )

    def places(self, data: bytes) -> Iterator[tuple[int, int]]:
        """(which piece, where it begins), for each place, in no order."""
        if self._database is None:
            return
        ends: list[tuple[int, int]] = []

        def keep(piece: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends.append((piece, end))

        self._database.scan([data], match_event_handler=keep, scratch=self._scratch())  # type: ignore[type-var]  # its stub knows one mode
        for piece, end in ends:
            yield piece, end - self._lengths[piece]

    def _scratch(self) -> hyperscan.Scratch:
        if not hasattr(self._own, "scratch"):
            import hyperscan  # noqa: PLC0415 - as above

            self._own.scratch = hyperscan.Scratch(self._database)
        scratch: hyperscan.Scratch = self._own.scratch
        return scratch
