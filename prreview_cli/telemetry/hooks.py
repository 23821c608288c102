"""The ways in which Python reports trouble by itself, led into the log so that they are redacted, too."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio


class _Reports(Protocol):
    def caught(self, event: str, error: BaseException | None, /, **fields: object) -> None: ...


class Hooks:
    """Replaces the four hooks of the interpreter while the log is open."""

    def __init__(self, log: _Reports) -> None:
        self._log = log
        self._before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread
        sys.unraisablehook = self._unraisable
        logging.captureWarnings(True)

    def remove(self) -> None:
        """Put back what was there."""
        logging.captureWarnings(False)
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._before

    def _uncaught(self, _kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        self._log.caught("uncaught", error)

    def _uncaught_in_thread(self, args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            self._log.caught("uncaught_in_thread", args.exc_value, thread=args.thread.name if args.thread else None)

    def _unraisable(self, args: sys.UnraisableHookArgs) -> None:
        self._log.caught("unraisable", args.exc_value, message=args.err_msg)


class _Unsaid(logging.Formatter):
    """A library's warning while there is no log: that there was one, and not its text."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.name} has a {record.levelname.lower()}, which is withheld: no log is open that could redact it."


def guard_process() -> None:
    """Before a log is open and after it, nothing can redact: what Python reports by itself is told by type and place alone."""
    sys.excepthook = lambda kind, _, trace: _told_by_type(kind, trace)
    threading.excepthook = lambda args: None if args.exc_type is SystemExit else _told_by_type(args.exc_type, args.exc_traceback)
    sys.unraisablehook = lambda args: _told_by_type(args.exc_type, args.exc_traceback)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Unsaid())


def _told_by_type(kind: type[BaseException], trace: TracebackType | None) -> None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    print(f"{kind.__name__}{place}; its text is withheld: no log is open that could redact it.", file=sys.stderr)  # noqa: T201


def watch_loop(loop: asyncio.AbstractEventLoop, log: _Reports) -> None:
    """Lead what the event loop reports (a task's exception that nobody fetched) into the log."""

    def report(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        log.caught("event_loop", context.get("exception"), message=context.get("message"))

    loop.set_exception_handler(report)
