"""Reading along with a streamed answer."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prreview_cli.core.budget import Tokens
from prreview_cli.gateway.stream import Reading
from support.model_api import call, event, message, says

WHOLE = b"".join(message(says("hello ü"), call("read_file", {"path": "a"})).pieces)


def read(*chunks: bytes) -> Reading:
    reading = Reading()
    for chunk in chunks:
        reading.feed(chunk)
    return reading


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
def test_however_an_answer_is_cut_into_chunks_it_reads_the_same(cuts):
    places = [0, *sorted(cuts), len(WHOLE)]
    reading = read(*(WHOLE[start:end] for start, end in itertools.pairwise(places)))
    assert (reading.started, reading.finished, reading.broken, reading.error) == (True, True, False, None)
    assert reading.tokens(100) == Tokens(input=100, cache_write=40, cache_read=60, output=25)


@given(st.integers(0, len(WHOLE) - 3))
def test_an_answer_without_its_end_is_not_finished(end):
    assert not read(WHOLE[:end]).finished


def test_carriage_returns_and_unknown_events_do_not_matter():
    reading = read(WHOLE.replace(b"\n", b"\r\n"), event("ping"), event("of_a_kind_to_come", x=1))
    assert reading.finished
    assert not reading.broken


def test_the_end_of_the_counts_replaces_their_beginning():
    later = event("message_delta", delta={}, usage={"input_tokens": 120, "cache_read_input_tokens": None, "output_tokens": 30})
    reading = read(*message(says("x")).pieces[:-2], later, event("message_stop"))
    assert reading.tokens(100) == Tokens(input=120, cache_write=40, cache_read=60, output=30)


def test_an_answer_cut_short_counts_what_came_but_no_more_than_it_may_be():
    reading = read(*message(says("x" * 50)).pieces[:3])
    assert reading.tokens(1000).output == 50
    assert reading.tokens(20).output == 20


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"1",
        b"null",
        b'{"type": "message_start"}',
        b'{"type": "message_start", "message": {"usage": 1}}',
        b'{"type": "content_block_delta", "delta": []}',
    ],
)
def test_what_is_no_event_is_broken(data):
    assert read(b"data: " + data + b"\n\n").broken


@pytest.mark.parametrize("count", ["1", -1, True, None, 1.5])
def test_a_count_that_is_none_is_not_taken(count):
    usage = {"input_tokens": 10, "output_tokens": count}
    assert read(event("message_start", message={"usage": usage})).tokens(0) == Tokens(input=10)


def test_a_message_that_stops_without_having_begun_is_not_finished():
    assert not read(event("message_stop")).finished


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {"input_tokens": 0}}], ids=str)
def test_an_answer_that_does_not_tell_its_input_is_known_by_its_output_alone(usage):
    begun = read(event("message_start", message=usage), event("content_block_delta", delta={"text": "hi"}))
    assert (begun.started, begun.broken) == (True, False)
    begun.feed(event("message_delta", delta={}, usage={"output_tokens": 5}))
    assert begun.tokens(100) is None
    begun.feed(event("message_stop"))
    assert begun.tokens(100) == Tokens(output=5)


def test_no_output_is_a_count_where_nothing_came_alone():
    start, end = (
        event("message_start", message={"usage": {"input_tokens": 7}}),
        event("message_delta", delta={}, usage={"output_tokens": 0}),
    )
    text, stop = event("content_block_delta", delta={"text": "hi"}), event("message_stop")
    assert read(start, end, stop).tokens(100) == Tokens(input=7)
    assert read(start, text, end, stop).tokens(100) == Tokens(input=7, output=100)


@given(st.binary(max_size=300))
def test_no_bytes_can_make_it_raise(noise):
    read(noise, b"\n", b"data:" + noise + b"\n")
