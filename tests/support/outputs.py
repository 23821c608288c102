"""A program that lets a secret go every way that Python and libraries have to standard error, for the tests of redaction: `main(FOLDER, MODE)`.

`guarded` is what every command is before a log is open, `logged` what `serve` and `work` are, at DEBUG; `naked` is `logged`
with a redactor that hides nothing. The secret is on standard input, so that no argv and no environment has it.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import subprocess
import sys
import threading
import traceback
import warnings
from pathlib import Path

import httpx

from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.telemetry import harden_process, logger, open_log
from prreview_cli.telemetry.hooks import guard_process, watch_loop


def leave(value: str) -> None:
    """Let it go in every way."""
    log = logger("test")
    log.debug("told", value=value, secret=Secret(value), within={"deep": [value]})
    logging.getLogger("library").debug("headers: %s", {"x-api-key": value})
    logging.getLogger("library").warning("refused %s", value)
    try:
        try:
            fail(value)
        except ValueError as error:
            raise ExceptionGroup("two", [RuntimeError(value), OSError(5, value)]) from error
    except ExceptionGroup as error:
        error.add_note(f"with {value}")
        log.exception("chain")
    request = httpx.Request("POST", f"https://api.example.test/?key={value}", headers={"x-api-key": value})
    try:
        httpx.Response(401, request=request, text=value).raise_for_status()
    except httpx.HTTPStatusError as error:
        log.exception("http", headers=repr(error.request.headers), body=error.response.text)
    try:
        subprocess.run(["/bin/false", value], check=True)
    except subprocess.CalledProcessError:
        log.exception("argv")
    past_the_log(value)


def past_the_log(value: str) -> None:
    """The ways that know no logger."""
    thread = threading.Thread(target=fail, args=(value,))
    thread.start()
    thread.join()

    class Undying:
        def __del__(self) -> None:
            fail(value)

    Undying()
    gc.collect()

    async def forgotten() -> None:
        if logging.getLogger().handlers:
            watch_loop(asyncio.get_running_loop(), logger("process"))
        task = asyncio.create_task(asyncio.to_thread(fail, value))
        await asyncio.wait([task])

    asyncio.run(forgotten())
    gc.collect()
    logging.getLogger("asyncio").error("said %s", value)


def past_python(value: str) -> None:
    """The ways that only the descriptor sees."""
    warnings.showwarning(UserWarning(value), UserWarning, "file", 1)
    sys.stderr.write(f"{value}\n")
    try:
        fail(value)
    except ValueError:
        traceback.print_exc()
    half = value[: len(value) // 2].encode()
    os.write(2, half)
    os.write(2, value[len(half) :].encode() + b"\n")
    ctypes.CDLL(None).dprintf(2, b"%s\n", value.encode())
    subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write(sys.stdin.read())"], input=f"{value}\n", text=True, check=True)


def fail(value: str) -> None:
    raise ValueError(value)


def main(folder: str, mode: str) -> None:
    value = sys.stdin.read()
    harden_process()
    guard_process()
    sys.stdout.write(f"{ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)}\n")  # PR_GET_DUMPABLE
    sys.stdout.flush()
    if mode == "guarded":
        past_the_log(value)
        logging.getLogger("library").warning("refused %s", value)
        fail(value)
    matcher = Matcher({"model_api_key": Secret(value)})
    redact = str if mode == "naked" else matcher.redact
    with open_log(Path(folder), "work", level="debug", redact=redact, pumped=True):
        leave(value)
        past_python(value)
        try:
            fail(value)
        except ValueError as error:
            sys.excepthook(ValueError, error, error.__traceback__)
