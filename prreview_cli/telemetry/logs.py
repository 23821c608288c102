"""Events into log lines: `log = logger("intake")`, then `log.info("delivery", job=…, status=…)`.

An event has a stable name and typed fields, never a sentence with values inside. Who holds a logger
needs to know nothing of files; `open_log` is called once a process, by the composition root.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from prreview_cli.core.errors import PrreviewError
from prreview_cli.telemetry.files import PrivateRotatingFile
from prreview_cli.telemetry.formats import JsonLine, Redact, ShortLine
from prreview_cli.telemetry.hooks import Hooks
from prreview_cli.telemetry.pump import Pump

NOTE = "Its traceback is in "
"""How the note of an exception begins that names the log with its traceback."""

TAMED = ("httpx", "httpcore", "uvicorn", "uvicorn.error", "uvicorn.access", "claude_agent_sdk", "mcp", "keyring", "asyncio")
"""Libraries kept at WARNING whatever is asked of us: httpx logs query strings at INFO, httpcore headers at DEBUG."""


class Logger:
    """Writes events under one name. Costs next to nothing where its level is off."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"prreview.{name}")

    def debug(self, event: str, /, **fields: object) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        self._write(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """An error with the traceback of the exception that is being handled."""
        self._write(logging.ERROR, event, fields, sys.exception())

    def caught(self, event: str, error: BaseException | None, /, **fields: object) -> None:
        """An error with the traceback of `error`, which somebody else has caught."""
        self._write(logging.ERROR, event, fields, error)

    def _write(self, level: int, event: str, fields: dict[str, object], error: BaseException | None = None) -> None:
        if not self._logger.isEnabledFor(level):
            return
        traceback = None if error is None else (type(error), error, error.__traceback__)
        # The record is made here and not by `log()`, which would walk the stack for a line number that no one reads.
        record = logging.LogRecord(self._logger.name, level, "", 0, event, None, traceback)
        record.fields = fields
        self._logger.handle(record)


def logger(name: str) -> Logger:
    """The logger of a room."""
    return Logger(name)


class Log:
    """This process's log while it is open. `path` is its file, None if there is none."""

    def __init__(self, handlers: list[logging.Handler], level: int, path: Path | None, pump: Pump | None = None) -> None:
        self.path = path
        self._pump = pump
        self._handlers = handlers
        self._root = logging.getLogger()
        self._levels = {name: logging.getLogger(name).level for name in ("", *TAMED)}
        self._root.setLevel(level)
        for name in TAMED:
            logging.getLogger(name).setLevel(logging.WARNING)
        for handler in handlers:
            self._root.addHandler(handler)
        self._hooks = Hooks(Logger("process"))

    def close(self) -> None:
        """Take the hooks out, put the levels back, close the file, give standard error back."""
        self._hooks.remove()
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        for handler in self._handlers:
            self._root.removeHandler(handler)
            handler.close()
        if self._pump is not None:
            self._pump.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close; a fault of ours on its way out leaves its traceback here, and takes a note of where."""
        if isinstance(error, Exception) and not isinstance(error, PrreviewError) and self.path is not None:
            Logger("process").caught("failed", error)
            error.add_note(f"{NOTE}{self.path}")
        self.close()


def open_log(
    folder: Path | None,
    program: str,
    *,
    level: str,
    redact: Redact,
    stderr: TextIO | None = None,
    quiet: bool = False,
    pumped: bool = False,
) -> Log:
    """Start logging: to `folder`/`program`-PID.jsonl (none without a folder) and in short form to stderr.

    On a terminal stderr shows what the file gets, elsewhere warnings and worse. `level` is one of debug,
    info, warning, error. With `quiet` stderr shows nothing: the command says itself what it did. Every line,
    a library's and an uncaught exception's too, goes through `redact` last; if the process is `pumped`,
    so does whatever else writes to the descriptor of standard error.
    """
    lowest = logging.getLevelNamesMapping()[level.upper()]
    stream = sys.stderr if stderr is None else stderr
    console = _Console(stream)
    console.setFormatter(ShortLine(redact))
    console.setLevel(lowest if stream.isatty() else max(lowest, logging.WARNING))
    handlers: list[logging.Handler] = [] if quiet else [console]
    path = None if folder is None else folder / f"{program}-{os.getpid()}.jsonl"
    if path is not None:
        file = PrivateRotatingFile(path)
        file.setFormatter(JsonLine(redact))
        handlers.append(file)
    return Log(handlers, lowest, path, Pump(redact) if pumped else None)  # last: a pipe would not pass for a terminal


class _Console(logging.StreamHandler[TextIO]):
    """Standard error. A terminal that went away is no reason to print a record unredacted, as logging would."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- logging's name
        """Say nothing: the file has the line."""
