"""The forms in which a secret may leave: an encoding is cut into units, so that a part can be told from chance.

Most encodings write one character after the other: a unit is what one character becomes. Base64
does not; there a unit is one letter of it, and the text has three forms, by where in a group of
three bytes it begins.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from urllib.parse import quote

LEAK_CHARACTERS = 12
"""So many characters of a secret in a row are a leak; of a shorter secret, all of them."""


@dataclass(frozen=True, slots=True)
class Form:
    """A secret in one encoding. `bounds` are the offsets between units; `least` units in a row are a leak."""

    encoding: str
    data: bytes
    bounds: tuple[int, ...]
    least: int

    def shortest_leak(self) -> int:
        """The fewest bytes that a leak of this form can have."""
        return min(end - start for start, end in zip(self.bounds, self.bounds[self.least :], strict=False))


def _json(char: str) -> str:
    return json.dumps(char)[1:-1]


def _json_for_html(char: str) -> str:
    return f"\\u{ord(char):04x}" if char in "<>&'" else _json(char)


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())


def _backslashed(char: str, bare: str) -> bytes:
    return (char if re.fullmatch(bare, char) or not char.isascii() else f"\\{char}").encode()


_PARTED = frozenset({"hex, spaced", "hex, spaced, upper case", "hex, colons", "hex, colons, upper case"})
"""Encodings in which something stands between the units: Node's `<Buffer …>`, dumps, and OpenSSL's fingerprints."""

_BY_CHARACTER: dict[str, Callable[[str], bytes]] = {
    "plain": lambda char: char.encode(),
    "json": lambda char: _json(char).encode(),
    "json, unicode kept": lambda char: json.dumps(char, ensure_ascii=False)[1:-1].encode(),
    "json with \\/": lambda char: _json(char).replace("/", "\\/").encode(),
    "json for html": lambda char: _json_for_html(char).encode(),
    "json, every letter": lambda char: "".join(f"\\u{unit:04x}" for unit in _utf16_units(char)).encode(),
    "json, every letter, upper case": lambda char: "".join(f"\\u{unit:04X}" for unit in _utf16_units(char)).encode(),
    "json, every letter, twice": lambda char: "".join(f"\\\\u{unit:04x}" for unit in _utf16_units(char)).encode(),
    "json, every letter, upper case, twice": lambda char: "".join(f"\\\\u{unit:04X}" for unit in _utf16_units(char)).encode(),
    "json twice": lambda char: _json(_json(char)).encode(),
    "json for html, twice": lambda char: _json(_json_for_html(char)).encode(),
    "python": lambda char: char.replace("\\", "\\\\").replace("'", "\\'").encode(),
    "shell": lambda char: char.replace("'", "'\\''").encode(),
    "shell, backslashes": lambda char: _backslashed(char, r"[A-Za-z0-9%+,./:=@_-]"),
    "backslashes": lambda char: _backslashed(char, r"[A-Za-z0-9_]"),
    "url": lambda char: quote(char, safe="").encode(),
    "url, lower case": lambda char: quote(char, safe="").lower().encode() if quote(char, safe="") != char else char.encode(),
    "url, a path": lambda char: quote(char).encode(),
    "url, every letter": lambda char: _percent(char).encode(),
    "url, every letter, lower case": lambda char: _percent(char).lower().encode(),
    "html": lambda char: html.escape(char).encode(),
    "html, numbers": lambda char: html.escape(char).replace("&quot;", "&#34;").replace("&#x27;", "&#39;").encode(),
    "hex": lambda char: char.encode().hex().encode(),
    "hex, upper case": lambda char: char.encode().hex().upper().encode(),
    "hex, spaced": lambda char: "".join(f"{byte:02x} " for byte in char.encode()).encode(),
    "hex, spaced, upper case": lambda char: "".join(f"{byte:02X} " for byte in char.encode()).encode(),
    "hex, colons": lambda char: "".join(f"{byte:02x}:" for byte in char.encode()).encode(),
    "hex, colons, upper case": lambda char: "".join(f"{byte:02X}:" for byte in char.encode()).encode(),
    "utf-16": lambda char: char.encode("utf-16-le"),
    "utf-16, big-endian": lambda char: char.encode("utf-16-be"),
}
"""Quoting: Go's encoding/json and PHP escape <, >, & and /; bash's `printf %q` and Perl's quotemeta set backslashes."""

_BASE64: dict[str, Callable[[bytes], bytes]] = {"base64": base64.b64encode, "base64url": base64.urlsafe_b64encode}


def forms(value: str) -> list[Form]:
    """Every form of a value, each once, the plain one first."""
    different: dict[bytes, Form] = {}
    for form in (*_by_character(value), *_by_alignment(value.encode()), *_twice(value.encode())):
        different.setdefault(form.data, form)
    return list(different.values())


def _utf16_units(char: str) -> Iterator[int]:
    raw = char.encode("utf-16-be")
    yield from (int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))


def _by_character(value: str) -> Iterator[Form]:
    for encoding, encode in _BY_CHARACTER.items():
        units = [encode(char) for char in value]
        bounds = tuple(accumulate(map(len, units), initial=0))
        least = min(LEAK_CHARACTERS, len(units))
        yield Form(encoding, b"".join(units), bounds, least - (encoding in _PARTED))  # after the last one there is nothing


def _by_alignment(raw: bytes) -> Iterator[Form]:
    """Base64 after 0, 1 and 2 foreign bytes, without the letters that also depend on a neighbour."""
    for encoding, encode in _BASE64.items():
        for data in _aligned(raw, encode):
            yield _letters(encoding, data, _certain(min(LEAK_CHARACTERS, len(raw))))


def _twice(raw: bytes) -> Iterator[Form]:
    """Base64 of base64, as a Kubernetes secret in a Helm release has it; and base64url of it."""
    for inner in _aligned(raw, base64.b64encode):
        for outer in _aligned(inner, base64.b64encode):
            yield _letters("base64 twice", outer, _certain(min(_certain(min(LEAK_CHARACTERS, len(raw))), len(inner))))


def _aligned(raw: bytes, encode: Callable[[bytes], bytes]) -> Iterator[bytes]:
    for before in range(3):
        first = -(-8 * before // 6)
        last = 8 * (before + len(raw)) // 6
        yield encode(bytes(before) + raw)[first:last]


def _certain(count: int) -> int:
    """So many letters of base64 depend on `count` bytes alone, however these are aligned."""
    return (8 * count - 4) // 6


def _letters(encoding: str, data: bytes, least: int) -> Form:
    return Form(encoding, data, tuple(range(len(data) + 1)), min(least, len(data)))
