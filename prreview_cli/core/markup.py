"""What is safe to say: text from a model or a stranger, made fit for a terminal, a CI runner and a public page.

The page's rule is an allow-list. A word of plain letters, digits and harmless punctuation stands as
it is; every other word is shown as code. GitHub turns nothing inside code into a link, a mention, a
reference, a formula or HTML, so there is no need to know what it would have turned it into. What
structure the author may use is rebuilt by us: paragraphs, flat lists, inline code and fenced code.

No code of ours may hold the characters that would end it (a backtick in a span, three in a fence),
so a span or a fence cannot be closed from within.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC with their text
    r"|\x1b[ -/]*[0-~]?"  # any other
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ud800-\udfff\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U0010ffff]"
)
"""What draws nothing, or makes other text draw elsewhere: controls, bidi, zero-width, fillers, tags, surrogates, private use."""

_LINE_COMMAND = re.compile(r"^([^\S\n]*):(?=:)", re.MULTILINE)
_INNER_COMMAND = re.compile(r"#(?=#[A-Za-z]*\[)")

_LEADING = "(\"'\u201c\u2018"
_TRAILING = ".,;:!?)\"'\u201d\u2019…"
_RUN = r"[A-Za-z0-9\u0080-\U0010ffff]+"
_PLAIN = re.compile(
    rf"{_RUN}(?:['\u2019-]{_RUN})*(?:/{_RUN}(?:['\u2019-]{_RUN})*)?"  # word, it's, well-known, and/or
    r"|[0-9]+(?:[.,:][0-9]+)*%?"  # 3.11, 10:30, 50%
    r"|(?:[A-Za-z]\.)+[A-Za-z]"  # e.g
)
_REFERENCE = re.compile(r"[A-Za-z]-[0-9]|(?i:ghsa-)|(?<![0-9A-Za-z])[0-9A-Fa-f]{7,}(?![0-9A-Za-z])")
"""GH-1, a tracker's KEY-1, an advisory, what could be an abbreviated commit: the only plain words that come alive."""

_ITEM = re.compile(r"\s*(?:[-*+•]|([0-9]{1,3})[.)])\s+(\S.*)")
_ORNAMENT = re.compile(r"\s*(?:(?:#{1,6}\s|>)\s*)*")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})")


def terminal_safe(text: str) -> str:
    """`text` without escape sequences, controls (but newline and tab), bidi and zero-width characters."""
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    return _UNSEEN.sub("", _ESCAPES.sub("", unix))


def without_commands(text: str) -> str:
    """Lines in which a CI runner, which reads what we print, finds no command to itself.

    GitHub's takes a line for one that begins with `::`, white space aside, and in an older form one that holds `##[`
    anywhere (actions/runner, ActionCommand.cs); others have their word between those. A space between takes it away.
    """
    return _INNER_COMMAND.sub("# ", _LINE_COMMAND.sub(r"\1: ", text))


def json_without_commands(text: str) -> str:
    """The same for JSON, whose values stay what they are."""
    return _INNER_COMMAND.sub(r"\\u0023", text)


def code(text: str) -> str:
    """One line of text as inline code; "" if nothing is left of it. Where it holds an `@`, each word
    gets a span of its own, so that no reader of the raw text sees a bot being addressed."""
    words = _inert(terminal_safe(text)).replace("`", "'").split()
    parts = words if any("@" in word for word in words) else [" ".join(words)] if words else []
    return " ".join(f"`{part}`" for part in parts)


def fence(text: str) -> str:
    """Lines of text as a code block. It is quoted, so that none of its lines begins with a command to a bot."""
    lines = _inert(terminal_safe(text)).replace("```", "'''").strip("\n").rstrip().split("\n")
    return "\n".join(f"> {line}" for line in ("```", *lines, "```"))


def inline(text: str) -> str:
    """Text on one line: plain words and inline code."""
    segments = re.split("`+", " ".join(terminal_safe(text).split()))
    line = ""
    for place, segment in enumerate(segments):
        in_code = place % 2 == 1 and place < len(segments) - 1
        for part in (code(segment),) if in_code else _prose(segment):
            # Two spans that touch would read as one longer delimiter.
            line += f" {part}" if line.endswith("`") and part.startswith("`") else part
    return line.strip()


def blocks(text: str) -> str:
    """Text in paragraphs, with flat lists and fenced code."""
    done: list[str] = []
    opener, inside = "", list[str]()
    for line in terminal_safe(text).split("\n"):
        found = _FENCE.match(line)
        if opener:
            if found and line.strip() == found[1] and found[1].startswith(opener):
                done += ["", fence("\n".join(inside)), ""]
                opener, inside = "", []
            else:
                inside.append(line)
        elif found:
            opener = found[1]
        else:
            done.append(_line(line))
    if opener:
        done += ["", fence("\n".join(inside))]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(done)).strip("\n")


def fit(text: str, limit: int, render: Callable[[str], str] = blocks) -> str:
    """`render(text)` in at most `limit` bytes of UTF-8; what was cut is replaced by an ellipsis, "" if not even that fits.

    The source is cut, never the rendering, so that a cut cannot leave a span or a fence open.
    """
    kept = text[:limit]
    rendered = render(kept if kept == text else f"{kept}\n…")
    while size(rendered) > limit:
        if not kept:
            return ""
        kept = kept[: len(kept) * 3 // 4]
        rendered = render(f"{kept}\n…")
    return rendered


def size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text.encode())


def _line(line: str) -> str:
    item = _ITEM.fullmatch(line)
    if item is None:
        return inline(_ORNAMENT.sub("", line, count=1))
    text = inline(item[2])
    return text and (f"{item[1]}. {text}" if item[1] else f"- {text}")


def _prose(segment: str) -> list[str]:
    return [part if part.isspace() else _word(part) for part in re.split(r"(\s+)", segment.replace("**", "")) if part]


def _word(word: str) -> str:
    if not word.strip("-"):
        return "—"  # hyphens at a line's start would be a rule or turn the line above into a heading
    opened = word.lstrip(_LEADING)
    core = opened.rstrip(_TRAILING)
    if not core or (_PLAIN.fullmatch(core) and not _REFERENCE.search(core)):
        return word
    return word[: len(word) - len(opened)] + code(core) + opened[len(core) :]


def _inert(text: str) -> str:
    """Code in which no reader of the raw text finds the start of a hidden comment, such as a forged marker."""
    return text.replace("<!--", "<! --")
