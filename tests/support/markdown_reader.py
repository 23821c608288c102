"""Reads Markdown as GitHub would, and says what in it is alive."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

QUIET = {
    "inline",
    "text",
    "softbreak",
    "code_inline",
    "fence",
    "paragraph_open",
    "paragraph_close",
    "bullet_list_open",
    "bullet_list_close",
    "ordered_list_open",
    "ordered_list_close",
    "list_item_open",
    "list_item_close",
    "blockquote_open",
    "blockquote_close",
}
OURS = QUIET | {"strong_open", "strong_close", "hr"}

ALIVE = re.compile(
    r"://|www\.|mailto:|xmpp:"  # what GitHub makes a link of without any Markdown
    r"|@\w|#\d"  # a mention, an address, an issue
    r"|[A-Za-z]-\d|GHSA-"  # GH-1, a tracker's key, an advisory
    r"|(?<![0-9A-Za-z])[0-9A-Fa-f]{7,}(?![0-9A-Za-z])"  # a commit
    r"|[$<>\[\]\\&*_|~`]",  # a formula, HTML, and whatever Markdown lives on
    re.ASCII,
)
_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def tokens(markdown: str) -> Iterator[Token]:
    for token in _PARSER.parse(markdown):
        yield token
        yield from token.children or ()


def kinds(markdown: str) -> set[str]:
    return {token.type for token in tokens(markdown)}


def alive(markdown: str) -> list[str]:
    """The pieces of prose (what stands outside code) that GitHub would bring to life."""
    prose = [token.content for token in tokens(markdown) if token.type == "text"]
    return [found[0] for text in prose for found in ALIVE.finditer(text)]


def fence_infos(markdown: str) -> set[str]:
    return {token.info for token in tokens(markdown) if token.type == "fence"}


def codes(markdown: str) -> list[str]:
    return [token.content for token in tokens(markdown) if token.type in {"code_inline", "fence"}]
