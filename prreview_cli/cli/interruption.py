"""Ctrl-C from the first line of the program to its last: it ends with 130, without a traceback, at any moment.

Until a verb begins and after it has ended nothing is half done, so the process just ends. While it runs Ctrl-C is
Python's KeyboardInterrupt, or what the verb makes of it, and the verb cleans up. Nothing but the standard library's
smallest parts is imported here: this is installed before all else. Where SIGINT is ignored, it stays so.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130


def end_at_once(number: int = signal.SIGINT, frame: FrameType | None = None) -> None:
    """The handler while nothing is under way."""
    del number, frame
    os._exit(INTERRUPTED)


def guard() -> None:
    """From here on Ctrl-C ends the process at once, until `may_interrupt`."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_at_once)


def may_interrupt() -> None:
    """A verb begins: Ctrl-C interrupts it. Changes nothing in a process that is not under guard, such as a test's."""
    if signal.getsignal(signal.SIGINT) is end_at_once:
        signal.signal(signal.SIGINT, signal.default_int_handler)
