"""Short children, such as git: an explicit environment, a deadline, a cap on what they say, and no orphans.

They start through the launcher and not with `preexec_fn`: code between fork and exec is unsafe in a
process with threads (the store's writer is one) and rules out vfork. The detour costs about 15 ms.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prreview_cli.sandbox.cell import LAUNCHER
from prreview_cli.sandbox.launcher import landlock_abi
from prreview_cli.sandbox.program import Confinement

_CHUNK = 1 << 16
_BASE = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"}


@dataclass(frozen=True, slots=True)
class Completed:
    """How a child ended. `truncated`: it said more than it may, and was killed for it."""

    returncode: int
    stdout: bytes
    stderr: bytes
    truncated: bool = False


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A child's whole environment: where programs are, plain text, no home; nothing is inherited."""
    return {**_BASE, **(extra or {})}


async def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: bytes | None = None,
    timeout_s: float,
    max_output_bytes: int,
    confinement: Confinement | None = None,
    memory_bytes: int | None = None,
) -> Completed:
    """Run a child to its end with exactly this environment; the program is looked up in its PATH. It reaches the files
    of `confinement` alone, where the kernel has Landlock; None: all that its user does. `memory_bytes` bounds what each
    of its processes allocates; files that it maps do not count.

    TimeoutError after `timeout_s`; FileNotFoundError if there is no such program. Standard output
    and error together are cut at `max_output_bytes`. However this ends, by cancellation too, the
    child and all it started are dead and reaped; if this process dies, the child is killed.
    """
    process = await _start(argv, env, cwd, stdin, confinement, memory_bytes)
    try:
        async with asyncio.timeout(timeout_s):
            return await _talk(process, stdin, max_output_bytes)
    finally:
        await _end(process)


async def _start(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    stdin: bytes | None,
    confinement: Confinement | None,
    memory_bytes: int | None,
) -> asyncio.subprocess.Process:
    program = shutil.which(argv[0], path=env.get("PATH", ""))
    if program is None or not program.startswith("/"):
        raise FileNotFoundError(f"There is no program {argv[0]!r} in the PATH {env.get('PATH', '')!r}.")
    fields = [f"parent={os.getpid()}", f"program={program}", f"name={argv[0]}", "inherit=all"]
    if memory_bytes is not None:
        fields.append(f"memory={memory_bytes}")
    if confinement is not None and landlock_abi():
        fields += [f"{verb}={value}" for verb, value in confinement.fields(Path(program))]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", str(LAUNCHER), *fields, "--", *argv[1:]),
        stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
        start_new_session=True,
    )


async def _talk(process: asyncio.subprocess.Process, stdin: bytes | None, most: int) -> Completed:
    said: tuple[bytearray, bytearray] = (bytearray(), bytearray())
    full = False

    async def listen(stream: asyncio.StreamReader | None, into: bytearray) -> None:
        nonlocal full
        while stream is not None and (chunk := await stream.read(_CHUNK)):
            room = most - len(said[0]) - len(said[1])
            into += chunk[:room]
            if len(chunk) > room:
                full = True
                kill_group(process.pid)

    async def tell() -> None:
        if process.stdin is not None:
            with suppress(ConnectionError):  # it may end without listening
                process.stdin.write(stdin or b"")
                await process.stdin.drain()
            process.stdin.close()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listen(process.stdout, said[0]))
        tasks.create_task(listen(process.stderr, said[1]))
        tasks.create_task(tell())
    returncode = await process.wait()
    return Completed(returncode, bytes(said[0]), bytes(said[1]), truncated=full)


async def _end(process: asyncio.subprocess.Process) -> None:
    kill_group(process.pid)
    await process.wait()


def kill_group(leader: int) -> None:
    """Kill a process group, whether or not its leader lives."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
