from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prreview_cli.core import marker
from prreview_cli.core.markup import blocks, code, fence, fit, inline, size, terminal_safe
from support.hostile_text import FRAGMENTS, hostile
from support.markdown_reader import QUIET, alive, codes, fence_infos, kinds

EVERYTHING = " ".join(FRAGMENTS)


# -- the terminal ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain text, tabs\tand\nlines", "plain text, tabs\tand\nlines"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("a\x1b]52;c;c2VjcmV0\x07b", "ab"),
        ("a\x1b]8;;https://evil.test\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x1b]0;never ended\nnext line", "a\nnext line"),
        ("a\x1b(0b\x1bcc", "abc"),
        ("bell\x07 back\x08 del\x7f nul\x00", "bell back del nul"),
        ("over\rwrite\r\nnext", "over\nwrite\nnext"),
        ("admin\u202etxt.exe\u2066\u2069", "admintxt.exe"),
        ("zero\u200bwidth\u200d\ufeff\u00ad", "zerowidth"),
        ("tags\U000e0041\U000e007f", "tags"),
        ("half\ud83d pair", "half pair"),
        ("שלום, é, 漢字, 🎉", "שלום, é, 漢字, 🎉"),
    ],
)
def test_a_terminal_gets_text_and_nothing_that_steers_it(text: str, safe: str) -> None:
    assert terminal_safe(text) == safe


def test_no_character_that_steers_or_hides_survives() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1))).replace("\x1b", "").replace("\x90", "").replace("\x9b", "")
    everything = re.sub("[\x98\x9d-\x9f]", "", everything)
    kept = [character for character in terminal_safe(everything) if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}]
    # These format characters are drawn, as signs around numbers and verses.
    assert all(character in "\n\t" or re.match("ARABIC|SYRIAC|KAITHI", unicodedata.name(character)) for character in kept)
    assert not set(kept) & set("\u061c\u200b\u200e\u200f\u202a\u202e\u2066\u2069\ufeff")


@given(hostile)
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    safe = terminal_safe(text)
    assert terminal_safe(safe) == safe
    assert "\x1b" not in safe
    safe.encode()


# -- the page ----------------------------------------------------------------------------------------


def test_plain_words_stay_plain() -> None:
    text = "It's a well-known and/or case (see the docs): 3.11 is fine, e.g. at 10:30, 50% of “quoted” Grüße — 漢字!"
    assert inline(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ask @alice about #12", "ask `@alice` about `#12`"),
        ("see https://evil.test/x, now", "see `https://evil.test/x`, now"),
        ("(mail a@b.test)", "(mail `a@b.test`)"),
        ("in snake_case and C++", "in `snake_case` and `C++`"),
        ("`a ** b` and **bold**", "`a ** b` and bold"),
        ("one `two` three`", "one `two` three"),
        ("``a``b`c`", "`a`b`c`"),
        ("`a`#1", "`a` `#1`"),
        ("`@dependabot merge`", "`@dependabot` `merge`"),
        ("/merge", "`/merge`"),
        ("fixes GH-1 in deadbeef1", "fixes `GH-1` in `deadbeef1`"),
        ("-- really", "— really"),
        ("<!-- hidden -->", "`<! --` hidden `-->`"),
    ],
)
def test_every_other_word_is_shown_as_code(text: str, shown: str) -> None:
    assert inline(text) == shown


def test_structure_is_rebuilt() -> None:
    text = "# Title\n\ntext\n* one\n  + two\n3) three\n\n\n\n~~~python\nif x:\n    @y\n~~~\n> quoted\n"
    expected = "Title\n\ntext\n- one\n- two\n3. three\n\n> ```\n> if x:\n>     @y\n> ```\n\nquoted"
    assert blocks(text) == expected


def test_a_fence_has_no_language_so_nothing_is_drawn_or_applied_from_it() -> None:
    said = blocks("```suggestion\nrm -rf\n```\n\n```mermaid\ngraph\n```")
    assert fence_infos(said) == {""}
    assert "suggestion" not in said


def test_a_fence_cannot_be_closed_from_within() -> None:
    shown = fence("a\n```\n@victim\n````\n/merge")
    assert kinds(shown) <= QUIET
    assert codes(shown) == ["a\n'''\n@victim\n'''`\n/merge\n"]
    assert not re.search(r"^\s*/", shown, re.MULTILINE)


@settings(max_examples=300)
@given(hostile)
@example(EVERYTHING)
@example("\n".join(FRAGMENTS))
@example("text\n-\n- \n--\n===\n    indented\n\tx")
def test_nothing_comes_alive_on_the_page(text: str) -> None:
    for said in (blocks(text), inline(text), code(text), fence(text)):
        assert kinds(said) <= QUIET, said
        assert alive(said) == [], said
        assert fence_infos(said) <= {""}
        assert marker.parse(said) is None
        assert "<!--" not in said
        assert terminal_safe(said) == said
        assert not re.search(r"^[\s]*[/@]", said, re.MULTILINE), "a line of the raw text begins like a command"


@given(hostile)
def test_one_line_stays_one_line(text: str) -> None:
    assert "\n" not in inline(text)
    assert "\n" not in code(text)


@given(st.integers(0, 400), hostile, st.sampled_from([blocks, inline, code, fence]))
@example(16, "x" * 100, fence)
@example(64, "` " * 5000, blocks)
@example(64, "@a " * 5000, inline)
def test_a_cut_leaves_nothing_open_and_keeps_to_its_bytes(limit: int, text: str, render: object) -> None:
    said = fit(text, limit, render)  # type: ignore[arg-type]
    assert size(said) <= limit
    assert kinds(said) <= QUIET
    assert alive(said) == []


def test_what_was_cut_is_marked() -> None:
    assert fit("word " * 100, 60).endswith("…")
    assert fit("word", 60) == "word"


def test_five_megabytes_are_no_work() -> None:
    assert size(fit("`@a\n" * 1_250_000, 6_000)) <= 6_000
