"""A real `prreview serve` in a process of its own, from its ready line to its end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prreview_cli.core.errors import PrreviewError
from prreview_cli.sandbox.cell import LAUNCHER
from prreview_cli.sandbox.child import kill_group
from prreview_cli.trials.last_words import last_words

READY_S = 60.0
DRAIN_S = 90.0
"""How long a server may take to begin, and to drain once it was asked to."""
STOP_S, HURRY_S = 3.0, 10.0
"""How long after a SIGTERM that is in earnest comes the second one, and how long after that it is killed."""
PRREVIEW = (sys.executable, "-I", "-m", "prreview_cli")
SERVE = (*PRREVIEW, "serve")


class TrialFailed(PrreviewError):
    """The trial could not be made: the server did not begin, or died by itself."""

    kind = "trial"
    default_remedy = "What the server said last tells why; mend that and run it again."


@dataclass(frozen=True, slots=True)
class Ready:
    """The server's ready line."""

    webhook: str
    ops: str


class ServerProcess:
    """The running server, at home in `folder`; its standard output is kept in `serve.out`, its standard error in `serve.log`."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process, self._folder = process, folder
        self._reading: asyncio.Task[None] | None = None
        self.ready = Ready("", "")

    async def begin(self) -> None:
        """Wait for the ready line. TrialFailed if there is none."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                while (line := await self._process.stdout.readline()) and (ready := _ready(line)) is None:
                    pass
        except TimeoutError:
            raise self.failed(f"The server was not ready after {READY_S:.0f} s.") from None
        if not line or ready is None:
            await self._process.wait()
            raise self.failed(f"The server ended with exit code {self._process.returncode} before it was ready.")
        self.ready = ready
        self._reading = asyncio.create_task(self._read_on(self._process.stdout, self._folder / "serve.out"))

    @property
    def died(self) -> bool:
        """Whether it has ended without being asked."""
        return self._process.returncode is not None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def failed(self, what: str) -> TrialFailed:
        """The error to raise, with the server's last words."""
        words = last_words(self._folder)
        said = "\n".join(["It said last:", *(f"  {line}" for line in words)]) if words else "It said nothing."
        return TrialFailed(f"{what} {said}")

    async def drain(self) -> int:
        """Ask it to drain, and wait; its exit code (negative: the signal that ended it)."""
        return await self._end(DRAIN_S)

    async def exited(self) -> None:
        """Return once all that it said is written."""
        await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def stop(self) -> None:
        """End it without waiting for reviews; nothing of it is left. Safe to call at any time."""
        await self._end(STOP_S)
        await self.exited()

    async def _end(self, patience_s: float) -> int:
        try:
            for wait_s in (patience_s, HURRY_S):
                if self._process.returncode is not None:
                    return self._process.returncode
                self._process.send_signal(signal.SIGTERM)
                with suppress(TimeoutError):
                    return await asyncio.wait_for(self._process.wait(), wait_s)
        except asyncio.CancelledError:
            self._kill()
            raise
        self._kill()
        return await self._process.wait()

    def _kill(self) -> None:
        kill_group(self._process.pid)

    @staticmethod
    async def _read_on(stream: asyncio.StreamReader, file: Path) -> None:
        with file.open("ab") as kept:
            while said := await stream.read(1 << 16):
                kept.write(said)


@asynccontextmanager
async def serving(arguments: Sequence[str], folder: Path, command: Sequence[str] = SERVE) -> AsyncIterator[ServerProcess]:
    """A server that is ready; on leaving it is ended, however that comes about. Its home is `folder`."""
    with (folder / "serve.log").open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *_tied_to_us([*command, *arguments]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(folder),
            cwd=folder,
            start_new_session=True,  # the terminal's Ctrl-C is for us, and we end it in order
        )
    server = ServerProcess(process, folder)
    try:
        await server.begin()
        yield server
    finally:
        await server.stop()


def _tied_to_us(command: Sequence[str]) -> list[str]:
    """The command by way of the launcher, so that the server does not outlive a trial that is killed."""
    fields = [f"parent={os.getpid()}", "inherit=all", f"program={command[0]}"]
    return [sys.executable, "-I", "-S", str(LAUNCHER), *fields, "--", *command[1:]]


def environment(folder: Path) -> dict[str, str]:
    """All that a process of a trial is told: none of our own environment but PATH."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"}


def _ready(line: bytes) -> Ready | None:
    try:
        said = json.loads(line)
        return Ready(said["webhook"], said["ops"]) if said["event"] == "ready" else None
    except (ValueError, KeyError, TypeError):
        return None
