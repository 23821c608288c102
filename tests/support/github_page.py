"""A text as GitHub shows it: rendered by GitHub's own cmark-gfm, and what a browser and a bot then find in it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options

EXTENSIONS = ["autolink", "tagfilter", "table", "strikethrough", "tasklist"]
# Raw HTML is let through, so that it is seen here, where the page would still have to filter it.
OPTIONS = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES | Options.CMARK_OPT_GITHUB_PRE_LANG

OURS = {"p", "strong", "code", "pre", "ul", "ol", "li", "hr", "blockquote"}
"""Every element that a review of ours consists of; none of them loads, leads or runs anything."""
ATTRIBUTES = {("ol", "start")}

_REFERENCES = re.compile(
    r"@[A-Za-z0-9]"  # a person, a team, a bot
    r"|#[0-9]|\bGH-[0-9]|\b[A-Z]{2,}-[0-9]|\bGHSA-"  # an issue, here or elsewhere, a tracker's key, an advisory
    r"|(?<![0-9A-Za-z])[0-9a-f]{7,40}(?![0-9A-Za-z])"  # a commit
    r"|\$|\\[a-z(\[]"  # a formula
    r"|://|\bwww\."
)
"""What GitHub makes of a rendered text on top of cmark-gfm, outside code."""
_COMMAND = re.compile(r"^[\s>]*[/@][A-Za-z]", re.MULTILINE)
_QUOTED = re.compile(r"^> .*$\n?", re.MULTILINE)


@dataclass
class Page(HTMLParser):
    """What the page of a Markdown text holds. `text` is what stands outside code."""

    markdown: str
    tags: set[str] = field(default_factory=set)
    attributes: set[tuple[str, str]] = field(default_factory=set)
    addresses: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    text: str = ""
    _depth: int = 0

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.html = cmarkgfm.cmark.markdown_to_html_with_extensions(self.markdown, OPTIONS, EXTENSIONS)
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._depth += tag == "code"
        for name, value in attrs:
            self.attributes.add((tag, name))
            self.addresses += [value or ""] if name in {"href", "src", "srcset", "action", "data", "poster"} else []

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag == "code"

    def handle_data(self, data: str) -> None:
        if not self._depth:
            self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_decl(self, decl: str) -> None:
        self.tags.add(f"!{decl}")

    def handle_pi(self, data: str) -> None:
        self.tags.add(f"?{data}")

    def unknown_decl(self, data: str) -> None:
        self.tags.add(f"![{data}")

    @property
    def foreign(self) -> set[str]:
        """Elements and attributes that no review of ours has, and every address that something leads to."""
        attributes = {f"{tag} {name}" for tag, name in self.attributes - ATTRIBUTES}
        return self.tags - OURS | attributes | set(self.addresses)

    @property
    def references(self) -> list[str]:
        """What GitHub would turn into a mention, a reference, a formula or a link."""
        return [found[0] for found in _REFERENCES.finditer(self.text)]

    @property
    def commands(self) -> list[str]:
        """Lines of the text itself, which is what a bot reads, that begin like a command; a code block's are quoted."""
        return [found[0] for found in _COMMAND.finditer(_QUOTED.sub("", self.markdown))]

    @property
    def unseen(self) -> set[str]:
        """Characters that draw nothing or make others draw elsewhere."""
        return {
            c for c in self.markdown if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} and not _sign(c)
        }


def _sign(character: str) -> bool:
    """A format character that is drawn: a sign around numbers and verses."""
    return bool(re.match("ARABIC (?!LETTER MARK)|SYRIAC|KAITHI", unicodedata.name(character, "")))
