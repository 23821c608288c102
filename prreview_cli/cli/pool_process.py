"""The worker pool as a child process of `serve`: started, watched, started again when it dies, drained at the end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from contextlib import suppress

from prreview_cli.core.errors import ExitCode, PrreviewError, UsageError
from prreview_cli.core.ports.clock import Clock
from prreview_cli.telemetry import logger
from prreview_cli.telemetry.pump import real_stderr

log = logger("pool_process")

RESTART_AFTER_S = (0.1, 1.0, 5.0, 15.0)
STEADY_S = 60.0
"""A pool that lived so long in seconds was well: the next restart is quick again. So it is after one that was ready and
then killed: that says nothing of the next one, the job that brought it about is charged for it, and the others wait."""
HURRY_S = 5.0
"""After `drain_s`, or when hurried, the pool hands back by itself; so long later, in seconds, it is ended."""
_LONGEST_LINE = 1 << 16


class PoolDied(PrreviewError):
    """The pool could not be started; it has said why on standard error."""

    exit_code = ExitCode.USAGE
    default_remedy = "Its reason stands above this line."


class PoolProcess:
    """One pool process at a time. The child leads its own process group, so that Ctrl-C in a terminal
    reaches `serve` alone, which then drains it in order."""

    def __init__(self, command: Sequence[str], clock: Clock, *, start_s: float, drain_s: float) -> None:
        self._command = command
        self._clock = clock
        self._start_s = start_s
        self._drain_s = drain_s
        self._process: asyncio.subprocess.Process | None = None
        self._said: asyncio.ReadTransport | None = None
        self._ending = self._ready = False
        self._hurried = asyncio.Event()
        self._spawning = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The pool's process id, while there is one."""
        return None if self._process is None else self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it has come to work, as far as is known: it may have ended since."""
        return self._ready

    async def start(self) -> None:
        """Start the pool and return once it says that it is ready; PoolDied if it ends before that."""
        async with self._spawning:  # `stop` waits for it: no child is born behind its back
            if self._ending:
                return
            self._ready = False
            first = await self._spawn()
        try:
            async with asyncio.timeout(self._start_s):
                self._ready = _is_ready(await first)
        except TimeoutError:
            log.warning("pool_not_ready_in_time", seconds=self._start_s)
        if not self._ready:
            code = await self._ended()
            died = PoolDied("The worker pool did not start.")
            raise died if code == ExitCode.USAGE else UsageError(str(died), remedy=f"It ended with exit code {code}; read its log.")

    async def watch(self) -> None:
        """Start the pool again whenever it dies, until `stop`."""
        failures = 0
        while not self._ending:
            assert self._process is not None
            since = self._clock.monotonic()
            code = await self._exit_code()
            if self._ending:
                return
            log.error("pool_died", pid=self._process.pid, code=code)
            killed = self._ready and code < 0
            failures = 0 if killed or self._clock.monotonic() - since >= STEADY_S else failures
            await self._clock.sleep(RESTART_AFTER_S[min(failures, len(RESTART_AFTER_S) - 1)])
            failures += 1
            if not self._ending:
                await self._start_again()

    async def _start_again(self) -> None:
        """What keeps it from starting now, full memory or too many processes too, need not last: `watch` tries later."""
        try:
            with suppress(PrreviewError):
                await self.start()
        except (OSError, RuntimeError) as trouble:  # a RuntimeError where there is no thread to be had to wait for the child in
            log.error("pool_not_started", reason=str(trouble))

    async def _spawn(self) -> asyncio.Future[bytes]:
        """Start the child; its first line, to come. The pipe is ours: asyncio would not say that a child has ended
        before everybody else who inherited its standard output has, too."""
        said, into = os.pipe()
        try:
            pipe, lines = await asyncio.get_running_loop().connect_read_pipe(_FirstLine, os.fdopen(said, "rb", 0))
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=into,
                    stderr=real_stderr(),  # it has a pump of its own, and must know whether this is a terminal
                    process_group=0,
                    env={**os.environ},
                )
            except BaseException:
                pipe.close()
                raise
        finally:
            os.close(into)
        self._said = pipe
        return lines.first

    async def stop(self) -> None:
        """Let the pool drain; end it if it takes much longer than it may."""
        self._ending = True
        async with self._spawning:
            pass
        if self._process is None or self._process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        ended, hurried = asyncio.create_task(self._exit_code()), asyncio.create_task(self._hurried.wait())
        await asyncio.wait({ended, hurried}, timeout=self._drain_s + HURRY_S, return_when=asyncio.FIRST_COMPLETED)
        if hurried.done():
            await asyncio.wait({ended}, timeout=HURRY_S)
        hurried.cancel()
        if not ended.done():
            log.error("pool_ended_by_force", pid=self._process.pid)
            await self._ended()
        await ended

    def hurry(self) -> None:
        """Tell a draining pool to hand back at once; it has `HURRY_S` for it, whatever is left of `drain_s`."""
        self._signal(signal.SIGTERM)
        self._hurried.set()

    async def _ended(self) -> int:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return await self._exit_code()

    async def _exit_code(self) -> int:
        """Wait until the child has ended."""
        assert self._process is not None
        code = await self._process.wait()
        if self._said is not None:
            self._said.close()
        return code

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


class _FirstLine(asyncio.Protocol):
    """The first line of what a child says, or as much of it as there is when it ends. What follows is taken and forgotten,
    so that nobody waits for a full pipe."""

    def __init__(self) -> None:
        self.first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._begun = b""

    def data_received(self, data: bytes) -> None:
        if not self.first.done():
            self._begun += data
            if b"\n" in data or len(self._begun) > _LONGEST_LINE:
                self.first.set_result(self._begun.partition(b"\n")[0])

    def connection_lost(self, _: Exception | None) -> None:
        if not self.first.done():
            self.first.set_result(self._begun)


def _is_ready(line: bytes) -> bool:
    """Whether the child's first line says that it is ready."""
    try:
        return bool(json.loads(line)["event"] == "ready")
    except (ValueError, KeyError, TypeError):
        return False
