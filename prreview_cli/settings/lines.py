"""Where each key of a TOML document stands: `tomllib` tells values, not lines."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from contextlib import suppress

_BLANK = re.compile(r"(?:\s|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED_KEY = re.compile(r'"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'")
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}\n#]+")


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """The line, from 1, on which each table and key of a valid TOML document is first named.

    A key is its path, such as `("workers", "count")`. What stands inside an array has the array's path.
    """
    scanner = _Scanner(text)
    with suppress(ValueError, RecursionError):  # not valid after all, or nested too deeply: the lines found so far
        scanner.document()
    return scanner.lines


class _Scanner:
    """Walks a valid document and notes keys; it understands only as much of values as it takes to pass them."""

    def __init__(self, text: str) -> None:
        self.lines: dict[tuple[str, ...], int] = {}
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]

    def document(self) -> None:
        table: tuple[str, ...] = ()
        while self._next():
            if self._next() != "[":
                self._pair(table)
                continue
            brackets = 2 if self._text.startswith("[[", self._at) else 1
            self._at += brackets
            table = self._key(())
            self._next()
            self._at += brackets

    def _next(self) -> str:
        """The next character that is neither blank nor comment; empty at the end."""
        self._take(_BLANK)
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise ValueError(f"This is not TOML at offset {self._at}.")
        self._at = match.end()
        return match.group()

    def _key(self, path: tuple[str, ...]) -> tuple[str, ...]:
        """Pass a dotted key below `path`, noting each of its parts; the whole path."""
        while True:
            quoted = self._next() in {'"', "'"}
            line = bisect_right(self._newlines, self._at) + 1
            part = self._take(_QUOTED_KEY if quoted else _BARE_KEY)
            path = (*path, tomllib.loads(f"key = {part}")["key"] if quoted else part)
            self.lines.setdefault(path, line)
            if self._next() != ".":
                return path
            self._at += 1

    def _pair(self, table: tuple[str, ...]) -> None:
        path = self._key(table)
        self._at += 1  # the equals sign
        self._value(path)

    def _value(self, path: tuple[str, ...]) -> None:
        match self._next():
            case "[":
                self._enclosed("]", path)
            case "{":
                self._enclosed("}", path)
            case '"' | "'":
                self._take(_STRING)
            case _:
                self._take(_SCALAR)

    def _enclosed(self, end: str, path: tuple[str, ...]) -> None:
        """Pass an array or an inline table, to its closing bracket."""
        self._at += 1
        while (char := self._next()) != end:
            if char == ",":
                self._at += 1
            elif end == "}":
                self._pair(path)
            else:
                self._value(path)
        self._at += 1
