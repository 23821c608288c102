"""How well-known tokens look: what is hidden, and found in logs, even where the value is not known to us.

Two strengths. `TOKEN` is for hiding: loose, because a hidden word costs nothing. The rules (`rules.py`) are for
findings that somebody must act on: whole tokens only, so that a clean log has none.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from math import log2

TOKEN = re.compile(
    r"""
    sk-ant-(?:[a-z]+[0-9]{2}-)?[A-Za-z0-9_-]{8,}   # Anthropic
    | github_pat_[A-Za-z0-9_]{20,}                 # GitHub, fine-grained
    | ghs_[A-Za-z0-9._-]{30,}                      # GitHub App installation; today ghs_APPID_JWT
    | gh[opru]_[A-Za-z0-9]{20,}                    # GitHub, classic, OAuth, refresh, user
    """,
    re.VERBOSE,
)

_PUBLIC_PREFIX = re.compile(r"sk-ant-(?:[a-z]+[0-9]{2}-)?|github_pat_|gh[oprsu]_")

_VARIETY = 8
"""A token has so many different characters at least; `ghp_xxxxxxxx…` in a manual has not."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A shape of tokens: one of `marks` stands `lead` bytes behind its beginning, and all of it matches `pattern`.

    `bits` is the least entropy a character, for a token that nothing but its letters tells from a word or a path.
    """

    name: str
    marks: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    lead: int = 0
    bits: float = 0.0

    def match(self, data: bytes, mark: int) -> tuple[int, int] | None:
        """The span of the token whose mark stands there; None if there is none."""
        start = mark - self.lead
        found = self.pattern.match(data, start) if start >= 0 else None
        if found is None or len(set(found[0])) < _VARIETY or _ALLOWED.search(found[0]) or _entropy(found[0]) < self.bits:
            return None
        return found.span() if _BORDER.search(data[max(0, start - 6) : start]) else None


def _entropy(text: bytes) -> float:
    """Shannon's, in bits a character."""
    return -sum(count / len(text) * log2(count / len(text)) for count in Counter(text).values())


_ALLOWED = re.compile(
    rb"EXAMPLE(?:KEY)?\Z|0123456789abcdef0123456789abcdef|abcdefghijklmnopqrstuvwxyz|[xX]{12}|\*{4}"
    rb"|\Ask_test_4eC39HqLyjWDarjtT1zdp7dc\Z"  # https://docs.stripe.com/keys, for everybody
    rb"|\AAccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"  # Azure's storage emulator, the same everywhere
    rb"|\.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c\Z"  # https://jwt.io/introduction
)
"""What manuals write in the place of a token: AWS's keys end in EXAMPLE, others count, say the alphabet, blank it out, or are famous."""

_BORDER = re.compile(rb"\A\Z|(?:[^A-Za-z0-9_]|%[0-9A-Fa-f]{2}|\\[bfnrt]|\\u[0-9A-Fa-f]{4})\Z")
"""What may stand before a token: no letter, unless it ends an escape (`token%3Dghp_…`, `\\nghp_…`)."""


def looks_like_token(text: str) -> bool:
    """Whether a text holds what is shaped like a well-known token."""
    return TOKEN.search(text) is not None


def private_part(value: str) -> str:
    """A secret without the prefix that every token of its kind begins with, unless little else would be left."""
    prefix = _PUBLIC_PREFIX.match(value)
    body = value[prefix.end() :] if prefix else value
    return body if len(body) >= 8 else value
