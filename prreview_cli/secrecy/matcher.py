"""One matcher for redaction, for the guard before a post and for the audit of logs.

The rule: `LEAK_CHARACTERS` in a row of a known secret, in any encoding, are a leak. To find them fast, each
form is cut into anchors of `k` bytes, and one engine looks for all anchors, and for the prefixes of the
rules, in one pass. Where a form leaks with m bytes or more, and k <= (m + 1) / 2, the leak covers a whole
anchor wherever it begins, so nothing is missed. A hit is confirmed by extending it both ways along the form.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from prreview_cli.secrecy.encodings import Form, forms
from prreview_cli.secrecy.engine import Engine
from prreview_cli.secrecy.extending import extend, room
from prreview_cli.secrecy.rules import RULES
from prreview_cli.secrecy.secret import Secret
from prreview_cli.secrecy.shapes import TOKEN, Rule, private_part

MIN_CHARACTERS = 8
_LONGEST_RULE = 4_096


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A secret, or a part of it, in `data[start:end]`. Knows the secret's name and never its value.

    `encoding` is empty where a rule matched: then `name` is the rule's.
    """

    start: int
    end: int
    name: str
    encoding: str


class Matcher:
    """Finds and hides the secrets it was made with, and tokens by their shape. Immutable; safe to share between threads.

    ValueError for a secret under `MIN_CHARACTERS`, which could not be told from chance.
    """

    __slots__ = ("_engine", "_known", "_rules", "reach")

    def __init__(self, secrets: Mapping[str, Secret], rules: Sequence[Rule] = RULES) -> None:
        known = [(str(name), form) for name, secret in secrets.items() for form in forms(_findable(name, secret))]
        anchors: dict[bytes, list[tuple[str, Form, int]]] = {}
        for name, form in known:
            length = (form.shortest_leak() + 1) // 2
            for offset in range(0, len(form.data) - length + 1, length):
                anchors.setdefault(form.data[offset : offset + length], []).append((name, form, offset))
        prefixes = [(prefix, rule) for rule in rules for prefix in rule.marks]
        self._known = list(anchors.values())
        self._rules = [rule for _, rule in prefixes]
        self._engine = Engine([*anchors, *(prefix for prefix, _ in prefixes)])
        self.reach = max((room(form) for _, form in known), default=0) + _LONGEST_RULE
        """No hit depends on a byte that is further than this from where it begins."""

    def find(self, data: bytes) -> Iterator[Hit]:
        """Every place where a known secret, or enough of one, stands; those of one secret never overlap."""
        return iter(_merged(hit for hit in sorted(self._hits(data)) if hit.encoding))

    def search(self, data: bytes) -> list[Hit]:
        """Every leak once, by its start: of known secrets and, elsewhere, of what the rules describe."""
        hits = sorted(self._hits(data))
        known = _merged(hit for hit in hits if hit.encoding)
        shapes = _merged(hit for hit in hits if not hit.encoding)
        return sorted([*known, *_outside(shapes, known)])

    def holds(self, text: str) -> list[str]:
        """The names of the known secrets that `text` would give away, sorted."""
        return sorted({hit.name for hit in self.find(text.encode("utf-8", "surrogatepass"))})

    def redact(self, text: str) -> str:
        """`text` with every known secret, and whatever has the shape of a token, replaced by its name."""
        data = text.encode("utf-8", "surrogatepass")
        hits = sorted(self._hits(data))
        if not hits and TOKEN.search(text) is None:
            return text
        if known := [hit for hit in hits if hit.encoding]:
            text = b"".join(_without(known, data)).decode("utf-8", "replace")
        # What is hidden may have stood beside a token and kept it from being one, so tokens are looked for until there is none.
        while (hidden := self._without_tokens(text)) != text:
            text = hidden
        return text

    def _without_tokens(self, text: str) -> str:
        data = text.encode("utf-8", "surrogatepass")
        if shapes := sorted(hit for hit in self._hits(data) if not hit.encoding):
            text = b"".join(_without(shapes, data)).decode("utf-8", "replace")
        return TOKEN.sub("[token hidden]", text)

    def _hits(self, data: bytes) -> Iterator[Hit]:
        """What the places of anchors and prefixes really are; hits may overlap."""
        ends: dict[tuple[int, int], int] = {}  # by form and by where it would begin: as far as this has been told
        for piece, start in self._engine.places(data):
            if piece >= len(self._known):
                rule = self._rules[piece - len(self._known)]
                if span := rule.match(data, start):
                    yield Hit(*span, rule.name, "")
                continue
            for name, form, offset in self._known[piece]:
                way = id(form), start - offset
                if start >= ends.get(way, 0) and (span := extend(form, offset, data, start)):
                    ends[way] = span[1]
                    yield Hit(*span, name, form.encoding)

    def __repr__(self) -> str:
        return "Matcher(…)"


def _findable(name: str, secret: Secret) -> str:
    """The part of a secret to look for."""
    value = secret.reveal()
    if len(value) < MIN_CHARACTERS:
        raise ValueError(f"The secret {name} is shorter than {MIN_CHARACTERS} characters and cannot be looked for.")
    return private_part(value)


def _merged(hits: Iterable[Hit]) -> list[Hit]:
    """Of sorted hits that overlap, one a name: over all of their places, in the encoding of the longest."""
    runs: dict[str, list[list[Hit]]] = {}
    ends: dict[str, int] = {}
    for hit in hits:
        of_name = runs.setdefault(hit.name, [])
        if not of_name or hit.start >= ends[hit.name]:
            of_name.append([])
        of_name[-1].append(hit)
        ends[hit.name] = max(hit.end, ends.get(hit.name, 0))
    return sorted(_one(run) for of_name in runs.values() for run in of_name)


def _one(run: list[Hit]) -> Hit:
    # A piece without a letter that is escaped reads the same in several forms; the plain one is what somebody will look for.
    longest = max(run, key=lambda hit: (hit.end - hit.start, hit.encoding == "plain"))
    return Hit(run[0].start, max(hit.end for hit in run), longest.name, longest.encoding)


def _outside(hits: Iterable[Hit], known: list[Hit]) -> Iterator[Hit]:
    """The hits that touch none of the known ones."""
    covered = _merged(replace(hit, name="") for hit in known)  # disjoint, so that starts and ends are both sorted
    ends = [hit.end for hit in covered]
    for hit in hits:
        at = bisect_right(ends, hit.start)
        if at == len(covered) or covered[at].start >= hit.end:
            yield hit


def _without(hits: list[Hit], data: bytes) -> Iterator[bytes]:
    """The text around sorted hits, with a name in the place of each run of them."""
    end = 0
    for hit in hits:
        if hit.start >= end:
            yield data[end : hit.start]
            yield f"[{hit.name if hit.encoding else 'token'} hidden]".encode()
        end = max(end, hit.end)
    yield data[end:]
