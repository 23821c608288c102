"""Being the first process of a container: whatever loses its parent there becomes our child, and nobody else buries it."""

from __future__ import annotations

import os
import signal
from typing import NoReturn

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def step_back() -> None:
    """As process 1, go on in a child, and do nothing here but pass signals on to it, bury orphans, and end as it ends.

    So the program itself never has a child that it did not start. To be called before there is a thread.
    """
    if os.getpid() != 1:
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)  # none is lost between the two lines
    child = os.fork()
    if child:
        _bury(child)
    os.setpgid(0, 0)  # a terminal's Ctrl-C reaches the first process, which passes it on: once
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def _bury(child: int) -> NoReturn:
    for number in FORWARDED:
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    while True:
        ended, status = os.wait()
        if ended == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
