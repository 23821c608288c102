"""Searching a stream of any length in bounded memory: each leak once, wherever the blocks are cut.

The buffer holds what has not been decided yet, with `reach` bytes before it and after it: since no hit depends on
a byte further than `reach` from its beginning, a hit that begins in the middle is seen whole, and whatever covers it, too.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from prreview_cli.secrecy import Hit, Matcher

_HEAD = 4_096


@dataclass(frozen=True, slots=True)
class Leak:
    """A hit with its place in the stream: a line from 1, offsets in bytes from 0, of its beginning and behind it."""

    line: int
    offset: int
    end: int
    name: str
    encoding: str
    token: bytes = field(default=b"", repr=False, compare=False)
    """What a rule matched, whose value nobody else knows; empty for a known secret. For a fingerprint, and never shown."""

    @classmethod
    def of(cls, hit: Hit, data: bytes, line: int, base: int = 0) -> Leak:
        """A hit in `data`, which begins at `base` of the stream."""
        token = b"" if hit.encoding else data[hit.start : hit.end]
        return cls(line, base + hit.start, base + hit.end, hit.name, hit.encoding, token)


class Window:
    """Feed it a stream's blocks, then `finish`. Small blocks cost a rescan each: feed some hundred kilobytes."""

    def __init__(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._buffer = b""
        self._base, self._line = 0, 1  # where the buffer begins
        self._decided = 0  # what begins before this offset has been told

    def feed(self, block: bytes) -> Iterator[Leak]:
        """The leaks that this block decides."""
        self._buffer += block
        yield from self._until(self._base + len(self._buffer) - self._matcher.reach)

    def finish(self) -> Iterator[Leak]:
        """The leaks of the end."""
        yield from self._until(self._base + len(self._buffer))

    def _until(self, limit: int) -> Iterator[Leak]:
        if limit <= self._decided:
            return
        line, counted = self._line, 0
        for hit in self._matcher.search(self._buffer):
            if self._decided <= self._base + hit.start < limit:
                line += self._buffer.count(b"\n", counted, hit.start)
                counted = hit.start
                yield Leak.of(hit, self._buffer, line, self._base)
        self._decided = limit
        cut = max(0, limit - self._matcher.reach - self._base)
        self._line += self._buffer.count(b"\n", 0, cut)
        self._base += cut
        self._buffer = self._buffer[cut:]


class Scanner:
    """A window over the bytes and, where they are UTF-16 text, another over that text, narrowed to a byte a character."""

    def __init__(self, matcher: Matcher, head: bytes) -> None:
        """`head` is how the stream begins; it is still to be fed."""
        self._bytes = Window(matcher)
        self._low = _low_byte(head[:_HEAD])
        self._text = None if self._low is None else Window(matcher)
        self._fed = 0
        self._told: dict[str, list[tuple[int, int]]] = {}
        self._held: list[Leak] = []

    def feed(self, block: bytes) -> Iterator[Leak]:
        """The leaks that this block decides."""
        if self._text is None:
            yield from self._bytes.feed(block)
        else:
            self._held += self._bytes.feed(block)
            assert self._low is not None
            narrow = block[(self._low - self._fed) % 2 :: 2]
            yield from (self._widened(leak) for leak in self._text.feed(narrow))
        self._fed += len(block)

    def finish(self) -> Iterator[Leak]:
        """The leaks of the end, and those that only the bytes show: what is not ASCII is lost in the narrowing."""
        if self._text is None:
            yield from self._bytes.finish()
            return
        yield from (self._widened(leak) for leak in self._text.finish())
        self._held += self._bytes.finish()
        yield from (leak for leak in self._held if not self._is_told(leak))

    def _widened(self, leak: Leak) -> Leak:
        leak = replace(leak, offset=2 * leak.offset, end=2 * leak.end)
        self._told.setdefault(leak.name, []).append((leak.offset, leak.end))
        kind = "utf-16, big-endian" if self._low else "utf-16"
        encoding = kind if leak.encoding == "plain" else leak.encoding and f"{leak.encoding}, in {kind}"
        return replace(leak, encoding=encoding)

    def _is_told(self, leak: Leak) -> bool:
        """Whether the text has shown this place: its spans are in order and apart."""
        spans = self._told.get(leak.name, [])
        at = bisect_left(spans, (leak.end, 0)) - 1  # the last that begins before this one ends
        return at >= 0 and leak.offset < spans[at][1]


def _low_byte(head: bytes) -> int | None:
    """Which byte of each pair holds ASCII, if this is UTF-16: 0 little-endian, 1 big-endian; by its mark or its zeros."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return int(head.startswith(b"\xfe"))
    pairs = len(head) // 2
    zeros = head[0::2].count(0), head[1::2].count(0)
    for low in (0, 1):
        if pairs >= 8 and zeros[1 - low] > pairs * 0.7 and zeros[low] < pairs * 0.05:
            return low
    return None
