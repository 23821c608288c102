"""Every line is one JSON object, in a private file, and holds no secret whatever path it took."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import os
import stat
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.telemetry import Log, logger, open_log
from prreview_cli.telemetry.files import PrivateRotatingFile, remove_old
from prreview_cli.telemetry.formats import LONGEST_FIELD, JsonLine, ShortLine
from prreview_cli.telemetry.hooks import watch_loop
from support.leaks import ENCODED, HOOK

CANARY = "canary-0123456789"
log = logger("test")


def redact(text: str) -> str:
    return text.replace(CANARY, "[redacted]")


def fail() -> None:
    raise ValueError(CANARY)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def stderr() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def opened(tmp_path: Path, stderr: io.StringIO) -> Iterator[Log]:
    with open_log(tmp_path / "state" / "logs", "serve", level="debug", redact=redact, stderr=stderr) as opened:
        yield opened


def lines(opened: Log) -> list[dict[str, object]]:
    assert opened.path is not None
    return [json.loads(line) for line in opened.path.read_text().splitlines()]


def test_an_event_is_one_json_line_with_its_fields(opened: Log) -> None:
    log.info("claimed", job="job-1", number=7, none=None, at=datetime(2026, 1, 2, tzinfo=UTC))
    (line,) = lines(opened)
    assert datetime.fromisoformat(str(line.pop("ts"))).utcoffset() == timedelta(0)
    fields = {"job": "job-1", "number": 7, "none": None, "at": "2026-01-02T00:00:00.000Z"}
    assert line == {"level": "info", "event": "claimed", "logger": "prreview.test"} | fields


def test_file_and_folder_are_ours_alone(opened: Log) -> None:
    log.info("claimed")
    assert opened.path is not None
    assert stat.S_IMODE(opened.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(opened.path.parent.stat().st_mode) == 0o700


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").touch()
    (tmp_path / f"serve-{os.getpid()}.jsonl").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic link"):
        open_log(tmp_path, "serve", level="info", redact=redact)


def test_a_newline_or_an_escape_in_a_value_does_not_leave_its_line(opened: Log) -> None:
    log.info("delivery", title='x\n{"event": "forged"}\x1b]52;c;x\x07\u202e\x9b')
    assert opened.path is not None
    text = opened.path.read_text()
    assert len(text.splitlines()) == 1
    assert text.isascii()
    assert "\x1b" not in text


def test_a_field_cannot_pass_for_the_event(opened: Log) -> None:
    log.info("real", level="debug", logger="x")
    (line,) = lines(opened)
    assert (line["level"], line["logger"], line["level_"]) == ("info", "prreview.test", "debug")


def test_no_secret_is_written_whichever_way_it_came(opened: Log, stderr: io.StringIO) -> None:
    log.error("told", value=CANARY, within={"deep": [CANARY]})
    logging.getLogger("library").error("said %s", CANARY)
    try:
        fail()
    except ValueError:
        log.exception("broke")
        logging.getLogger("library").exception("broke, too")
    log.error("long", value="x" * (LONGEST_FIELD - 8) + CANARY)
    assert opened.path is not None
    for text in (opened.path.read_text(), stderr.getvalue()):
        assert text.count("[redacted]") >= 4
        assert CANARY not in text
        assert CANARY[:8] not in text


def test_a_traceback_shows_no_local_variables(opened: Log) -> None:
    local = "private-" + "value"
    try:
        fail()
    except ValueError:
        log.exception("broke", length=len(local))
    (line,) = lines(opened)
    assert "ValueError: [redacted]" in str(line["traceback"])
    assert "private-value" not in str(line)


def test_a_line_that_cannot_be_redacted_is_withheld(tmp_path: Path) -> None:
    def broken(text: str) -> str:
        raise RuntimeError(text)

    stderr = io.StringIO()
    with open_log(tmp_path, "serve", level="info", redact=broken, stderr=stderr) as opened:
        log.error("told", value=CANARY)
        assert lines(opened) == [{"level": "error", "event": "log_line_withheld", "error": "RuntimeError"}]
    assert CANARY not in stderr.getvalue()


def test_what_the_interpreter_reports_goes_into_the_log(opened: Log, stderr: io.StringIO) -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    try:
        fail()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)

    class Undying:
        def __del__(self) -> None:
            raise ValueError(CANARY)

    Undying()
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)  # catch_warnings put the hook aside
        warnings.warn(CANARY, UserWarning, stacklevel=1)
    assert [line["event"] for line in lines(opened)] == ["uncaught_in_thread", "uncaught", "unraisable", "library"]
    assert opened.path is not None
    assert CANARY not in opened.path.read_text() + stderr.getvalue()


async def test_what_the_event_loop_reports_goes_into_the_log(opened: Log) -> None:
    loop = asyncio.get_running_loop()
    watch_loop(loop, log)
    loop.call_exception_handler({"message": "Task exception was never retrieved", "exception": ValueError(CANARY)})
    (line,) = lines(opened)
    assert (line["event"], line["error"]) == ("event_loop", "ValueError: [redacted]")


def test_closing_puts_everything_back(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (sys.excepthook, threading.excepthook, sys.unraisablehook, list(root.handlers), root.level)
    open_log(tmp_path, "serve", level="debug", redact=redact).close()
    assert before == (sys.excepthook, threading.excepthook, sys.unraisablehook, list(root.handlers), root.level)


@pytest.mark.parametrize(
    "name", ["httpx", "httpcore.http11", "uvicorn.error", "claude_agent_sdk._internal", "mcp.server", "keyring.backend"]
)
def test_libraries_that_tell_too_much_are_kept_quiet_even_at_debug(opened: Log, name: str) -> None:
    logging.getLogger(name).debug("headers: %s", CANARY)
    logging.getLogger(name).info("HTTP Request: GET /?key=%s", CANARY)
    logging.getLogger(name).warning("trouble")
    assert [line["message"] for line in lines(opened)] == ["trouble"]


def test_off_a_terminal_stderr_shows_warnings_and_worse(opened: Log, stderr: io.StringIO) -> None:
    log.info("quiet")
    log.warning("loud", reason="two words")
    assert 'warning loud reason="two words"' in stderr.getvalue()
    assert "quiet" not in stderr.getvalue()


def test_a_terminal_shows_what_the_file_gets_without_control_characters(tmp_path: Path) -> None:
    terminal = Terminal()
    with open_log(None, "serve", level="info", redact=redact, stderr=terminal) as opened:
        log.info("delivery", title="\x1b]52;c;x\x07 \u202e café")
        assert opened.path is None
    assert "café" in terminal.getvalue()
    assert not {"\x1b", "\x07", "\u202e"} & set(terminal.getvalue())


def test_a_full_disk_is_named_without_the_line(opened: Log, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.info("told", value=CANARY)
    monkeypatch.undo()
    told = capsys.readouterr().err
    assert "could not be written" in told
    assert CANARY not in told


def test_nothing_fails_because_neither_the_log_nor_standard_error_takes_a_line(opened: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        patched.setattr(sys, "stderr", Full())
        log.info("lost")
    log.info("kept")
    assert [line["event"] for line in lines(opened)] == ["kept"]


def test_the_file_is_rotated_and_every_part_is_private(opened: Log) -> None:
    assert opened.path is not None
    (handler,) = (handler for handler in logging.getLogger().handlers if isinstance(handler, PrivateRotatingFile))
    handler._bytes_a_file = 500
    for number in range(40):
        log.info("claimed", number=number)
    parts = sorted(opened.path.parent.iterdir())
    assert len(parts) == 6
    assert {stat.S_IMODE(part.stat().st_mode) for part in parts} == {0o600}


def test_old_logs_are_removed_and_newer_ones_stay(tmp_path: Path) -> None:
    for name in ("serve-1.jsonl", "serve-1.jsonl.1", "note.txt"):
        (tmp_path / name).touch()
    soon = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 -- a file's age is the machine's
    assert remove_old(tmp_path, soon - timedelta(days=1)) == 0
    assert remove_old(tmp_path, soon) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


WAYS: dict[str, Callable[[str], str]] = ENCODED | {
    "utf-16": lambda value: value.encode("utf-16-le").decode("latin-1"),
    "wrapped": lambda value: "\n".join(value[at : at + 9] for at in range(0, len(value), 9)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("secret", [HOOK, "q7Rk/2vX9+mB4tZ8/wL1nC6yH3sD5fG0j+PaEuTiOx/MeVb="])
def test_a_line_is_json_without_the_secret_whatever_form_it_came_in(way: str, secret: str) -> None:
    matcher = Matcher({"it": Secret(secret)}, ())
    text = f"it was {WAYS[way](secret)}, it was"
    record = logging.LogRecord("prreview.test", logging.WARNING, "", 0, "told", None, None)
    record.fields = {"text": text, "within": {"deep": [text]}, "other": OSError(text)}

    line = json.loads(JsonLine(matcher.redact).format(record))
    short = ShortLine(matcher.redact).format(record)

    for value in (
        line["text"],
        line["within"]["deep"][0],
        line["other"],
        *(short.replace("\N{REPLACEMENT CHARACTER}", char) for char in "\n\0"),
    ):
        assert matcher.holds(value) == []
        assert "[it hidden]" in value


@pytest.fixture
def file(tmp_path: Path) -> Iterator[PrivateRotatingFile]:
    file = PrivateRotatingFile(tmp_path / "logs" / "serve-1.jsonl", bytes_a_file=100)
    yield file
    file.close()


def write(file: PrivateRotatingFile, text: str) -> None:
    file.emit(logging.LogRecord("test", logging.INFO, "", 0, text, None, None))


def test_where_there_is_no_room_for_another_file_this_one_goes_on_and_no_other_one_is_written_to(
    tmp_path: Path, file: PrivateRotatingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write(file, f"{number}" * 90)
    really = os.open

    def refusing(path: Path, *words: int) -> int:
        if Path(path).name == "serve-1.jsonl":
            raise OSError(24, "Too many open files")
        return really(path, *words)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refusing)
        write(file, "4" * 90)
        with (tmp_path / "database").open("wb") as database:  # would get the number of a log that was closed
            for number in range(5, 9):
                write(file, f"{number}" * 90)
            os.fstat(database.fileno())
    write(file, "9" * 90)

    assert (tmp_path / "database").read_bytes() == b""
    kept = sorted(part.read_text().replace("\n", "")[::90] for part in (tmp_path / "logs").iterdir())
    assert kept == ["0", "1", "2", "345678", "9"]


def test_a_file_that_was_deleted_while_it_was_open_is_begun_anew(tmp_path: Path, file: PrivateRotatingFile) -> None:
    write(file, "before")
    assert remove_old(tmp_path / "logs", datetime.now(UTC) + timedelta(days=1)) == 1  # noqa: TID251 -- as above

    write(file, "after")
    write(file, "and on")

    assert (tmp_path / "logs" / "serve-1.jsonl").read_text() == "after\nand on\n"
