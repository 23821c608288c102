"""Threats 1, 8 and 9 by machine: whatever comes in, no fault of ours, no row for what is unsigned, and the next delivery works."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.http_clients import connected, delivery, pass_time, signature
from support.ingress import Ingress, body, ingress

SOCKETS = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
CALLS = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
TOKENS = st.sampled_from(
    [
        *(b"POST", b"GET", b" ", b"/webhook/pr", b"/healthz", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r", b"\0", b":", b"0", b"\xff"),
        *(b"content-length: 5\r\n", b"content-length: -1\r\n", b"content-length: 99999999999999999999\r\n", b"expect: 100-continue\r\n"),
        *(
            b"transfer-encoding: chunked\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"ffffffffffffffff\r\n",
            b"connection: upgrade\r\nupgrade: h2c\r\n",
        ),
        *(
            b"x-hub-signature-256: sha256=00\r\n",
            b"x-github-event: pull_request\r\n",
            b"host: x\r\n",
            b"\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM",
        ),
    ]
)
RAW = st.lists(st.one_of(TOKENS, st.binary(max_size=40)), min_size=1, max_size=25).map(b"".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=15,
)
KEYS = ("action", "pull_request", "repository", "sender", "label", "changes")


class House:
    """One door for all examples of a test, and the loop that it lives in."""

    def __init__(self, runner: asyncio.Runner, door: Ingress) -> None:
        self.runner, self.door = runner, door

    def still_works(self) -> None:
        """A good delivery is taken."""
        before = self.door.rows()["delivery"]
        assert self.runner.run(self.door.post(body())).status == 200
        assert self.door.rows()["delivery"] == before + 1


@pytest.fixture
def house(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[House]:
    caplog.set_level(logging.ERROR)
    with asyncio.Runner() as runner:
        opened = ingress(tmp_path)
        door = runner.run(opened.__aenter__())
        yield House(runner, door)
        runner.run(opened.__aexit__(None, None, None))
    assert [record.getMessage() for record in caplog.records] == []


async def sent(url: str, pieces: list[bytes]) -> bytes:
    """Send pieces, say no more, and what comes back until the end."""
    async with connected(url) as sender:
        with suppress(ConnectionError):
            for piece in pieces:
                await sender.send(piece)
                await pass_time(0.001)  # so that the server reads each piece by itself
            sender.writer.write_eof()
        return await sender.ended()


def statuses(answers: bytes) -> set[int]:
    return {int(line.split()[1]) for line in answers.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")}


def test_threat_09_raw_bytes_on_the_socket_are_never_a_fault_of_ours_and_never_a_row(house: House) -> None:
    @SOCKETS
    @given(RAW, st.integers(0, 200))
    def attack(data: bytes, cut: int) -> None:
        answers = house.runner.run(sent(house.door.url, [data[:cut], data[cut:]]))
        assert all(status in {100, 200} or 400 <= status < 500 for status in statuses(answers)), answers
        assert house.door.rows()["delivery"] == 0

    attack()
    house.still_works()


def test_threat_01_an_altered_delivery_is_never_a_row(house: House) -> None:
    good = delivery(body())
    head = good.index(b"\r\n\r\n")

    @SOCKETS
    @given(st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(1, 255)), min_size=1, max_size=8))
    def attack(flips: list[tuple[int, int]]) -> None:
        data = bytearray(good)
        for place, by in flips:
            data[place] ^= by
        before = house.door.rows()["delivery"]
        answers = house.runner.run(sent(house.door.url, [bytes(data)]))
        assert all(status < 500 for status in statuses(answers)), answers
        # The body is signed, the headers are not: with the body and the signature as they were, it may well be taken.
        unsigned = bytes(data[head + 4 :]) != good[head + 4 :] or signature(body()) not in data[:head]
        assert not unsigned or house.door.rows()["delivery"] == before

    attack()
    house.still_works()


async def called(door: Ingress, data: bytes, headers: list[tuple[bytes, bytes]], cuts: list[int]) -> int:
    """The endpoint as any ASGI server would call it, the body in as many pieces; the status."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        answers.append(message)

    await door.endpoint({"type": "http", "path": "/webhook/pr", "method": "POST", "headers": headers}, receive, send)
    status: int = answers[0]["status"]
    return status


def test_threat_09_signed_bodies_of_any_content_are_never_a_fault_of_ours(house: House) -> None:
    @CALLS
    @given(
        st.one_of(
            st.binary(max_size=300),
            VALUES.map(lambda value: json.dumps(value).encode()),
            st.dictionaries(st.sampled_from(KEYS), VALUES).map(lambda value: body(**value) if "pull" not in value else b""),
        ),
        st.sampled_from([b"pull_request", b"push", b"ping", b"", b"\xff", b"pull_request\0"]),
        st.lists(st.integers(0, 10_000), max_size=4),
    )
    def attack(data: bytes, event: bytes, cuts: list[int]) -> None:
        headers = [(b"x-hub-signature-256", signature(data)), (b"x-github-event", event), (b"content-type", b"application/json")]
        assert house.runner.run(called(house.door, data, headers, cuts)) in {200, 400}

    attack()
    house.still_works()


def test_threat_01_headers_of_any_content_neither_fail_nor_stand_in_for_a_signature(house: House) -> None:
    names = st.sampled_from(
        [b"x-hub-signature-256", b"x-hub-signature", b"x-github-event", b"x-github-delivery", b"content-type", b"content-length"]
    )
    odd = st.one_of(st.binary(max_size=80), st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")))

    @CALLS
    @given(st.lists(st.tuples(names, odd), max_size=8), st.lists(st.integers(0, 10_000), max_size=3))
    def attack(headers: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
        assert house.runner.run(called(house.door, body(), headers, cuts)) in {400, 401, 413}
        assert house.door.rows()["delivery"] == 0

    attack()
    house.still_works()
