"""How a log record becomes a line; the last thing that happens to every line is redaction."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime

from prreview_cli.core.markup import without_commands

Redact = Callable[[str], str]
"""Takes every known secret out of a text, in whatever encoding it stands there."""

LONGEST_FIELD = 8_000
LONGEST_TRACEBACK = 32_000
RESERVED = frozenset({"ts", "level", "event", "logger", "error", "traceback"})


class RedactedFormatter(logging.Formatter):
    """Renders a record from redacted texts and redacts the whole line. A line that cannot be redacted is not written."""

    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        try:
            return self._redact(self.render(record))
        except Exception as error:  # noqa: BLE001 -- a boundary that fails closed: no line is better than a leaking one
            return json.dumps({"level": "error", "event": "log_line_withheld", "error": type(error).__qualname__})

    def render(self, record: logging.LogRecord) -> str:
        """The line before redaction."""
        raise NotImplementedError

    def hidden(self, value: object, longest: int = LONGEST_FIELD) -> object:
        """A value whose texts are redacted, and cut to size, before anything else is done to them.

        A secret that was cut in two or escaped once more may escape the search, and what is hidden within JSON may
        take half an escape with it.
        """
        if isinstance(value, dict):
            return {self.hidden(name): self.hidden(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.hidden(each) for each in value]
        if not isinstance(value, str):
            return value
        text = self._redact(value)
        return text if len(text) <= longest else f"{text[:longest]}…"


class JsonLine(RedactedFormatter):
    """One JSON object a line: ts (RFC 3339, UTC), level, event, logger, then the event's own fields.

    Everything outside ASCII is escaped, so that a title cannot forge a line or move a terminal's cursor.
    A library's record is the event `library` with its `message`.
    """

    def render(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": _plain(_utc(record)),
            "level": record.levelname.lower(),
        }
        line |= {"event": event_of(record), "logger": record.name}
        for name, value in fields_of(record).items():
            line[f"{name}_" if name in RESERVED else name] = self.hidden(value)
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = self.hidden(_told(record.exc_info[1]))
            line["traceback"] = self.hidden(self.formatException(record.exc_info), LONGEST_TRACEBACK)
        return json.dumps(line, default=lambda value: self.hidden(_plain(value)))


class ShortLine(RedactedFormatter):
    """The form for people: time, level, event, fields; a traceback stays in the JSON log."""

    def format(self, record: logging.LogRecord) -> str:
        return without_commands(super().format(record))  # after the redaction: a secret that was changed is not found

    def render(self, record: logging.LogRecord) -> str:
        fields = {name: value for name, value in fields_of(record).items() if value is not None}
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = _told(record.exc_info[1])
        told = " ".join(f"{name}={self._shown(value)}" for name, value in fields.items())
        return f"{_utc(record):%H:%M:%SZ} {record.levelname.lower():<7} {_printable(event_of(record))} {told}".rstrip()

    def _shown(self, value: object) -> str:
        text = _printable(str(self.hidden(str(value))))
        return f'"{text}"' if " " in text else text


def event_of(record: logging.LogRecord) -> str:
    """The stable name of what happened."""
    return record.getMessage() if hasattr(record, "fields") else "library"


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """An event's own fields; of a library's record, its message."""
    fields: dict[str, object] | None = getattr(record, "fields", None)
    return {"message": record.getMessage()} if fields is None else fields


def _told(error: BaseException) -> str:
    return f"{type(error).__qualname__}: {error}"


def _utc(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _plain(value: object) -> str:
    """What JSON has no form for: a time as RFC 3339 in UTC, anything else as its text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
