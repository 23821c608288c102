from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prreview_cli.audit.windows import Leak, Scanner, Window
from prreview_cli.secrecy import Matcher, Secret
from support.leaks import BODY, ENCODED, TOKENS, log_lines

MATCHER = Matcher({"prod/model_api_key": Secret(BODY)})
CLEAN = log_lines(150).encode()
PLANTS = [
    *(ENCODED[name](BODY).encode() for name in ("plain", "hex", "base64, one later", "url, every letter")),
    *map(str.encode, TOKENS.values()),
]


def search(data: bytes, cuts: list[int]) -> list[Leak]:
    window = Window(MATCHER)
    leaks: list[Leak] = []
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        leaks += window.feed(data[start:end])
    return [*leaks, *window.finish()]


@settings(deadline=None)  # a busy machine is not a failure
@given(st.data())
def test_any_secret_anywhere_is_found_exactly_once_however_the_stream_is_cut(data: st.DataObject) -> None:
    plants = sorted(data.draw(st.lists(st.tuples(st.integers(0, len(CLEAN)), st.sampled_from(PLANTS)), max_size=6)))
    text, expected, last = b"", [], 0
    for at, plant in plants:
        text += CLEAN[last:at] + b" "
        whole = MATCHER.search(b" " + plant + b" ")
        expected += [(text.count(b"\n") + 1 + plant.count(b"\n", 0, hit.start), len(text) + hit.start - 1, hit.name) for hit in whole]
        text, last = text + plant + b" ", at
    text += CLEAN[last:]
    near = st.sampled_from([0, *(at for _, at, _ in expected), len(text)])
    cut = st.one_of(st.integers(0, len(text)), st.builds(lambda at, by: min(max(at + by, 0), len(text)), near, st.integers(-60, 60)))

    leaks = search(text, data.draw(st.lists(cut, max_size=12)))

    assert sorted((leak.line, leak.offset, leak.name) for leak in leaks) == sorted(expected)


@pytest.mark.parametrize("chunk", [5_000, 8_192, 20_000])
@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_secret_around_the_edge_of_a_chunk_is_found_once(chunk: int, count: int, by: int) -> None:
    for shift in (0, 1, len(BODY) // 2, len(BODY)):
        at = count * chunk + by - shift
        data = b"x" * at + BODY.encode() + b"y" * 30_000

        leaks = search(data, list(range(chunk, len(data), chunk)))

        assert [(leak.offset, leak.line) for leak in leaks] == [(at, 1)]


@pytest.mark.parametrize("size", [0, 1])
def test_next_to_nothing_holds_nothing(size: int) -> None:
    assert search(b"x" * size, []) == []


def test_a_stream_that_is_the_secret_and_nothing_else_is_found() -> None:
    assert [leak.offset for leak in search(BODY.encode(), [3, 17])] == [0]


def test_a_secret_said_over_and_over_is_found_each_time() -> None:
    data = f"{BODY}\n".encode() * 2_000

    leaks = search(data, list(range(0, len(data), 7_919)))

    assert [leak.line for leak in leaks] == list(range(1, 2_001))


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", sorted(ENCODED))
def test_utf_16_text_is_searched_in_every_encoding_and_each_place_told_once(codec: str, mark: str, encoding: str) -> None:
    text = f"{mark}{log_lines(20)}\n{ENCODED[encoding](BODY)} \n{log_lines(60)}"
    raw = text.encode(codec)
    scanner = Scanner(MATCHER, raw)
    leaks: list[Leak] = []
    for at in range(0, len(raw), 9_001):
        leaks += scanner.feed(raw[at : at + 9_001])
    leaks += scanner.finish()

    plain = MATCHER.search(text.encode("latin-1", "replace"))
    assert [(leak.offset, leak.name) for leak in leaks] == [(2 * hit.start, hit.name) for hit in plain]
    assert all("utf-16" in leak.encoding for leak in leaks)
    assert leaks[0].line >= 22


def test_a_secret_that_is_not_ascii_is_found_in_utf_16() -> None:
    matcher = Matcher({"prod/webhook_secret": Secret("grüße an ✓ die ganze Welt, für immer")})
    raw = "\ufeffwords before: grüße an ✓ die ganze Welt, für immer".encode("utf-16-le")
    scanner = Scanner(matcher, raw)

    leaks = [*scanner.feed(raw), *scanner.finish()]

    assert {leak.name for leak in leaks} == {"prod/webhook_secret"}
