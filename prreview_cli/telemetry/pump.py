"""Standard error, led through a pipe of ours: what writes there past Python's logging is redacted, too.

A C library, a warning at shutdown, a child that inherits it: all of them write to the descriptor and know no handler.
So the descriptor becomes a pipe, and a thread writes on what comes out of it, by whole lines: a secret may be written in
two pieces, and each of them alone would pass (docs/decisions/0009).
"""

from __future__ import annotations

import faulthandler
import os
import select
import sys
import threading
from contextlib import suppress

from prreview_cli.telemetry.formats import Redact

STDERR = 2
_PIECE = 1 << 16
_HELD_BACK = 1 << 12
"""Of a line that is longer than a piece, so many bytes wait for what comes next."""
_WITHHELD = b"A line on standard error could not be redacted and was withheld.\n"

_real = STDERR


def real_stderr() -> int:
    """The descriptor behind the pump, or standard error where there is none: for a child that redacts by itself."""
    return _real


class Pump:
    """Stands between a descriptor and what it was until `close`. One a process.

    What Python's fault handler says (files and lines, no values) goes around it: its thread does not outlive a crash.
    """

    def __init__(self, redact: Redact, descriptor: int = STDERR) -> None:
        global _real  # noqa: PLW0603 - a descriptor's number is the process's as well
        self._redact, self._descriptor = redact, descriptor
        self._held = b""
        self._handled_faults = faulthandler.is_enabled()
        self._to = _real = os.dup(descriptor)
        faulthandler.enable(self._to)
        self._from, into = os.pipe()
        self._told_to_end, self._end = os.pipe()
        os.set_blocking(self._from, False)
        os.dup2(into, descriptor)
        os.close(into)
        self._thread = threading.Thread(target=self._run, name="stderr", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Put the descriptor back, once all that was written to it has been written on."""
        global _real  # noqa: PLW0603 - as above
        sys.stderr.flush()
        os.dup2(self._to, self._descriptor)
        _real = self._descriptor
        faulthandler.disable()
        if self._handled_faults:
            faulthandler.enable(self._descriptor)
        os.close(self._end)
        self._thread.join()
        for descriptor in (self._from, self._told_to_end, self._to):
            os.close(descriptor)

    def _run(self) -> None:
        """Until there is no writer left, or until it is told to end: a child may keep the pipe open for longer."""
        waiting = select.poll()
        waiting.register(self._from, select.POLLIN)
        waiting.register(self._told_to_end, select.POLLHUP)
        ending = False
        while not ending:
            ending = any(descriptor == self._told_to_end for descriptor, _ in waiting.poll())
            ending |= not self._drain()
        self._write(self._held)

    def _drain(self) -> bool:
        """Take all that is there; False once nobody can write any more."""
        with suppress(BlockingIOError):
            while piece := os.read(self._from, _PIECE):
                self._held += piece
                lines, newline, rest = self._held.rpartition(b"\n")
                self._write(lines + newline)
                self._held = rest if len(rest) < _PIECE else self._part(rest)
            return False
        return True

    def _part(self, line: bytes) -> bytes:
        """Write the beginning of a very long line; the end, redacted, waits."""
        hidden = self._hidden(line)
        self._out(hidden[:-_HELD_BACK])
        return hidden[-_HELD_BACK:]

    def _write(self, data: bytes) -> None:
        if data:
            self._out(self._hidden(data))

    def _hidden(self, data: bytes) -> bytes:
        try:
            return self._redact(data.decode("utf-8", "backslashreplace")).encode("utf-8", "backslashreplace")
        except Exception:  # noqa: BLE001 - a boundary that fails closed, as a log line's
            return _WITHHELD

    def _out(self, data: bytes) -> None:
        with suppress(OSError):  # a terminal that went away: whoever writes must not wait for it
            while data:
                data = data[os.write(self._to, data) :]
