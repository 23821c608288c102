"""Work that may block for ever, where nobody is held up by it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def apart(work: Callable[[], T]) -> T:
    """The result of work that may block for ever (a keyring that asks, a dead mount): in a thread that nobody waits for."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(answer: Callable[[], None]) -> None:
        if not result.done():
            answer()

    def run() -> None:
        answer: Callable[[], None]
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - it is raised again, where the result is awaited
            answer = partial(result.set_exception, error)
        else:
            answer = partial(result.set_result, value)
        with suppress(RuntimeError):  # the loop has ended without us
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=run, name="prreview-apart", daemon=True).start()
    return await result
