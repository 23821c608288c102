"""Bodies nobody has vouched for: each bounded, all together bounded, and whoever is slowest pays."""

from __future__ import annotations

import asyncio

import pytest

from prreview_cli.web.asgi import Message
from prreview_cli.web.bodies import Bodies, Refused
from prreview_cli.web.replies import BAD_REQUEST, BUSY, TOO_LARGE


class Stream:
    """A sender that gives a piece when the test says so."""

    def __init__(self, *pieces: Message) -> None:
        self.queue: asyncio.Queue[Message] = asyncio.Queue()
        for each in pieces:
            self.queue.put_nowait(each)

    async def receive(self) -> Message:
        return await self.queue.get()

    def give(self, message: Message) -> None:
        self.queue.put_nowait(message)


def piece(size: int, *, last: bool = False) -> Message:
    return {"type": "http.request", "body": b"a" * size, "more_body": not last}


async def read(bodies: Bodies, stream: Stream, headers: dict[bytes, bytes] | None = None) -> bytes:
    async with asyncio.timeout(5), bodies.read(headers or {}, stream.receive) as body:
        return bytes(body)


async def refusal(bodies: Bodies, stream: Stream, headers: dict[bytes, bytes] | None = None) -> object:
    with pytest.raises(Refused) as refused:
        await read(bodies, stream, headers)
    return refused.value.reply


async def test_a_body_in_pieces_is_put_together() -> None:
    assert await read(Bodies(), Stream(piece(3), piece(0), piece(4, last=True))) == b"a" * 7


async def test_a_body_is_taken_up_to_its_bound_and_not_a_byte_beyond() -> None:
    bodies = Bodies(each=10)
    assert len(await read(bodies, Stream(piece(10, last=True)))) == 10
    assert len(await read(bodies, Stream(piece(5), piece(5, last=True)))) == 10
    assert await refusal(bodies, Stream(piece(11, last=True))) is TOO_LARGE
    assert await refusal(bodies, Stream(piece(5), piece(6))) is TOO_LARGE


async def test_an_announcement_is_believed_only_when_it_is_too_large() -> None:
    bodies = Bodies(each=10)
    assert await refusal(bodies, Stream(), {b"content-length": b"11"}) is TOO_LARGE
    assert await refusal(bodies, Stream(piece(11)), {b"content-length": b"3"}) is TOO_LARGE


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"", b" 5", b"9" * 5000, b"\xb2"])
async def test_an_announcement_that_is_no_number_is_refused(length: bytes) -> None:
    assert await refusal(Bodies(), Stream(piece(1, last=True)), {b"content-length": length}) is BAD_REQUEST


async def test_a_sender_that_goes_away_is_owed_no_answer() -> None:
    assert await refusal(Bodies(), Stream({"type": "http.disconnect"})) is None
    assert await refusal(Bodies(), Stream(piece(1), {"type": "http.disconnect"})) is None


async def test_together_they_are_bounded_and_the_slowest_is_given_up() -> None:
    bodies = Bodies(each=1000, together=1000, beside=0)
    slow, quick = Stream(piece(100)), Stream(piece(500))
    first = asyncio.create_task(refusal(bodies, slow))
    second = asyncio.create_task(read(bodies, quick))
    await asyncio.wait({first}, timeout=0.05)
    quick.give(piece(450))
    assert await first is BUSY
    quick.give(piece(50, last=True))
    assert len(await second) == 1000


async def test_what_was_held_is_given_back_however_it_ends() -> None:
    bodies = Bodies(each=1000, together=1000, beside=0)
    for _ in range(5):
        await read(bodies, Stream(piece(900), piece(100, last=True)))
        await refusal(bodies, Stream(piece(900), piece(200)))
        await refusal(bodies, Stream(piece(900), {"type": "http.disconnect"}))
        cancelled = asyncio.create_task(read(bodies, Stream(piece(900))))
        await asyncio.wait({cancelled}, timeout=0.02)
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
    assert (bodies._held, bodies._incoming) == (0, set())


async def test_one_that_is_too_much_even_alone_is_given_up() -> None:
    bodies = Bodies(each=1000, together=500, beside=0)
    assert await refusal(bodies, Stream(piece(400), piece(200, last=True))) is BUSY
    assert (bodies._held, bodies._incoming) == (0, set())


async def test_one_that_is_too_much_with_its_first_piece_is_given_up() -> None:
    bodies = Bodies(each=1000, together=500, beside=0)
    assert await refusal(bodies, Stream(piece(600))) is BUSY
    assert await refusal(Bodies(each=1000, together=500, beside=501), Stream(piece(1))) is BUSY
    assert (bodies._held, bodies._incoming) == (0, set())


async def test_small_and_large_pieces_keep_their_order() -> None:
    sizes = [1, 5000, 3, 16384, 16383, 2, 1, 70_000, 9]
    data = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    messages: list[Message] = [{"type": "http.request", "body": each, "more_body": True} for each in data]
    assert await read(Bodies(), Stream(*messages, piece(0, last=True))) == b"".join(data)


async def test_a_piece_that_comes_too_late_is_refused_like_the_rest() -> None:
    bodies = Bodies(each=1000, together=1000, beside=0)
    slow, quick = Stream(piece(100)), Stream(piece(500))
    first = asyncio.create_task(refusal(bodies, slow))
    second = asyncio.create_task(read(bodies, quick))
    await asyncio.wait({first}, timeout=0.05)
    quick.give(piece(500, last=True))
    slow.give(piece(10, last=True))
    assert await first is BUSY
    assert len(await second) == 1000


async def test_a_whole_body_counts_until_somebody_vouched_for_it() -> None:
    bodies = Bodies(each=1000, together=1000, beside=0)
    slow = Stream(piece(100))
    async with asyncio.timeout(5), bodies.read({}, Stream(piece(500), piece(400, last=True)).receive) as body:
        assert bytes(body) == b"a" * 900
        first = asyncio.create_task(refusal(bodies, slow))
        await asyncio.wait({first}, timeout=0.02)
        assert await refusal(bodies, Stream(piece(101, last=True))) is BUSY
        assert await first is BUSY
        assert await read(bodies, Stream(piece(100, last=True))) == b"a" * 100
    assert await read(bodies, Stream(piece(500), piece(500, last=True))) == b"a" * 1000
    assert (bodies._held, bodies._incoming) == (0, set())


async def test_what_a_body_costs_beside_its_bytes_counts_too() -> None:
    bodies = Bodies(each=1000, together=1000, beside=300)
    waiting = [asyncio.create_task(refusal(bodies, Stream(piece(1)))) for _ in range(4)]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    assert [task.result() for task in done] == [BUSY]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    assert (bodies._held, bodies._incoming) == (0, set())
