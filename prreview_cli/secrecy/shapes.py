"""How well-known tokens look: what is hidden even where the value is not known to us."""

from __future__ import annotations

import re

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


def looks_like_token(text: str) -> bool:
    """Whether a text holds what is shaped like a well-known token."""
    return TOKEN.search(text) is not None


def private_part(value: str) -> str:
    """A secret without the prefix that every token of its kind begins with, unless little else would be left."""
    prefix = _PUBLIC_PREFIX.match(value)
    body = value[prefix.end() :] if prefix else value
    return body if len(body) >= 8 else value
