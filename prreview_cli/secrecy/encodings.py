"""The forms in which a secret may leave: an encoding is cut into units, so that a part can be told from chance.

Most encodings write one character after the other: a unit is what one character becomes. Base64
does not; there a unit is one letter of it, and the text has three forms, by where in a group of
three bytes it begins.
"""

from __future__ import annotations

import base64
import html
import json
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


def _json(char: str) -> str:
    return json.dumps(char)[1:-1]


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())


_SPACED = "hex, spaced"

_BY_CHARACTER: dict[str, Callable[[str], bytes]] = {
    "plain": lambda char: char.encode(),
    "json": lambda char: _json(char).encode(),
    "json with \\/": lambda char: _json(char).replace("/", "\\/").encode(),
    "json twice": lambda char: _json(_json(char)).encode(),
    "url": lambda char: quote(char, safe="").encode(),
    "url, lower case": lambda char: quote(char, safe="").lower().encode() if quote(char, safe="") != char else char.encode(),
    "url, a path": lambda char: quote(char).encode(),
    "url, every letter": lambda char: _percent(char).encode(),
    "url, every letter, lower case": lambda char: _percent(char).lower().encode(),
    "html": lambda char: html.escape(char).encode(),
    "hex": lambda char: char.encode().hex().encode(),
    "hex, upper case": lambda char: char.encode().hex().upper().encode(),
    _SPACED: lambda char: "".join(f"{byte:02x} " for byte in char.encode()).encode(),
    "utf-16": lambda char: char.encode("utf-16-le"),
    "utf-16, big-endian": lambda char: char.encode("utf-16-be"),
}

_BASE64: dict[str, Callable[[bytes], bytes]] = {"base64": base64.b64encode, "base64url": base64.urlsafe_b64encode}


def forms(value: str) -> list[Form]:
    """Every form of a value, each once, the plain one first."""
    different: dict[bytes, Form] = {}
    for form in (*_by_character(value), *_by_alignment(value.encode())):
        different.setdefault(form.data, form)
    return list(different.values())


def _by_character(value: str) -> Iterator[Form]:
    for encoding, encode in _BY_CHARACTER.items():
        units = [encode(char) for char in value]
        bounds = tuple(accumulate(map(len, units), initial=0))
        least = min(LEAK_CHARACTERS, len(units))
        yield Form(encoding, b"".join(units), bounds, least - (encoding == _SPACED))  # after the last one there is no space


def _by_alignment(raw: bytes) -> Iterator[Form]:
    """Base64 after 0, 1 and 2 foreign bytes, without the letters that also depend on a neighbour."""
    characters = min(LEAK_CHARACTERS, len(raw))
    for encoding, encode in _BASE64.items():
        for before in range(3):
            first = -(-8 * before // 6)
            last = 8 * (before + len(raw)) // 6
            data = encode(bytes(before) + raw)[first:last]
            yield Form(encoding, data, tuple(range(len(data) + 1)), min((8 * characters - 4) // 6, len(data)))
