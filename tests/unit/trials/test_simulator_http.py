from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest

from prreview_cli.trials.simulators.http import Request, Response, write_response


class HungUp:
    """A client that left in the middle of the answer."""

    def write(self, data: bytes) -> None:
        """Take it."""

    async def drain(self) -> None:
        raise ConnectionResetError


async def test_an_answer_whose_client_has_left_is_closed_at_once() -> None:
    under_way = 1

    async def body() -> AsyncIterator[bytes]:
        nonlocal under_way
        try:
            yield b"piece"
        finally:
            under_way = 0

    with pytest.raises(ConnectionResetError) as caught:
        await write_response(cast("object", HungUp()), Request("GET", "/", "", {}, b""), Response(200, body()))  # type: ignore[arg-type]
    assert under_way == 0
    assert caught.tb is not None, "which holds the body's frame: the garbage collector cannot have closed it"
