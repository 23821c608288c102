"""A value that does not show itself."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """A secret's text, which only `reveal` gives away: no readable repr, no pickling, no copy, no formatting."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself: hand it to the one place that needs it and keep no copy."""
        return self._value

    def equals(self, other: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._value.encode(), other)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret can be neither pickled nor copied.")

    __getstate__ = __reduce__  # what `object` has by default hands out the slots
