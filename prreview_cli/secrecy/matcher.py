"""One matcher for redaction, for the guard before a post and for the audit of logs.

The rule: `LEAK_CHARACTERS` in a row of a known secret, in any encoding, are a leak. To find them
fast, the text is cut into blocks of `k` bytes, and each is looked up in a table of every k bytes
that occur in any form. Where a form leaks with m bytes or more, and k <= (m + 1) / 2, the leak covers
a whole block wherever it stands, so nothing is missed and all but the blocks is skipped. A hit in
the table is confirmed by extending it both ways along the form.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prreview_cli.secrecy.encodings import Form, forms
from prreview_cli.secrecy.secret import Secret
from prreview_cli.secrecy.shapes import TOKEN, private_part

MIN_CHARACTERS = 8
_DIFFERENT = 4
"""A part with fewer different units than this ("------------") is chance, unless it is the whole secret."""


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A secret, or a part of it, in `data[start:end]`. Knows the secret's name and never its value."""

    start: int
    end: int
    name: str
    encoding: str


class Matcher:
    """Finds and hides the secrets it was made with. Immutable; safe to share between threads.

    ValueError for a secret under `MIN_CHARACTERS`, which could not be told from chance.
    """

    __slots__ = ("_block", "_table")

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        known = [(str(name), form) for name, secret in secrets.items() for form in forms(_findable(name, secret))]
        self._block = min((_shortest_leak(form) + 1 for _, form in known), default=2) // 2
        self._table: dict[bytes, list[tuple[str, Form, int]]] = {}
        for name, form in known:
            for offset in range(len(form.data) - self._block + 1):
                self._table.setdefault(form.data[offset : offset + self._block], []).append((name, form, offset))

    def find(self, data: bytes) -> Iterator[Hit]:
        """Every place where a known secret, or enough of one, stands; places may overlap."""
        seen: set[Hit] = set()
        for at in self._suspects(data):
            for name, form, offset in self._table[data[at : at + self._block]]:
                if (span := _extend(form, offset, data, at)) and (hit := Hit(*span, name, form.encoding)) not in seen:
                    seen.add(hit)
                    yield hit

    def holds(self, text: str) -> list[str]:
        """The names of the known secrets that `text` would give away, sorted."""
        return sorted({hit.name for hit in self.find(text.encode("utf-8", "surrogatepass"))})

    def redact(self, text: str) -> str:
        """`text` with every known secret, and whatever has the shape of a token, replaced by its name."""
        data = text.encode("utf-8", "surrogatepass")
        hits = sorted(self.find(data))
        if hits:
            text = b"".join(_without(hits, data)).decode("utf-8", "replace")
        return TOKEN.sub("[token hidden]", text)

    def _suspects(self, data: bytes) -> list[int]:
        """Offsets of the blocks that occur in a form."""
        table, block = self._table, self._block
        if not table:
            return []
        return [at for at in range(0, len(data) - block + 1, block) if data[at : at + block] in table]

    def __repr__(self) -> str:
        return "Matcher(…)"


def _findable(name: str, secret: Secret) -> str:
    """The part of a secret to look for."""
    value = secret.reveal()
    if len(value) < MIN_CHARACTERS:
        raise ValueError(f"The secret {name} is shorter than {MIN_CHARACTERS} characters and cannot be looked for.")
    return private_part(value)


def _shortest_leak(form: Form) -> int:
    """The fewest bytes that a leak of this form can have."""
    return min(end - start for start, end in zip(form.bounds, form.bounds[form.least :], strict=False))


def _extend(form: Form, offset: int, data: bytes, at: int) -> tuple[int, int] | None:
    """How far the form goes on to both sides of the place where `form.data[offset]` meets `data[at]`.

    None if it is too little to be a leak. No letter of several bytes is cut in two.
    """
    shift = at - offset
    low = high = offset
    while low > 0 and low + shift > 0 and form.data[low - 1] == data[low + shift - 1]:
        low -= 1
    while high < len(form.data) and high + shift < len(data) and form.data[high] == data[high + shift]:
        high += 1
    first, last = bisect_left(form.bounds, low), bisect_right(form.bounds, high) - 1
    if last - first < form.least:
        return None
    units = [form.data[form.bounds[index] : form.bounds[index + 1]] for index in range(first, last)]
    if len(set(units)) < _DIFFERENT and high - low < len(form.data) - 1:
        return None
    if form.data.isascii():
        return low + shift, high + shift
    return form.bounds[first] + shift, form.bounds[last] + shift


def _without(hits: list[Hit], data: bytes) -> Iterator[bytes]:
    """The text around sorted hits, with a name in the place of each run of them."""
    end = 0
    for hit in hits:
        if hit.start >= end:
            yield data[end : hit.start]
            yield f"[{hit.name} hidden]".encode()
        end = max(end, hit.end)
    yield data[end:]
