"""Ctrl-C while a command waits: exit 130, one short line, nothing left over, and the queue as it was."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.processes import alive, until
from support.stage import WAIT_S, Stage, descendants


@asynccontextmanager
async def running(stage: Stage, *words: str, stdin: int = subprocess.PIPE) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command on the stage's profile, which the caller ends."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-I", "-m", "prreview_cli", *words],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=stage.environment | {"PRREVIEW_PROFILE": str(stage.profile)},
        cwd=stage.folder,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def struck(process: asyncio.subprocess.Process, said: bytes = b"") -> str:
    """SIGINT, and what it has written to stdout by its end; `said`: what was read from stderr already."""
    family = set(descendants(process.pid))
    process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), WAIT_S)
    await until(lambda: not alive() & family)

    told = (said + err).decode()
    assert process.returncode == 130, told
    assert told.endswith("Interrupted.\n")
    assert "Traceback" not in told
    return out.decode()


async def line(stream: asyncio.StreamReader | None, words: bytes) -> bytes:
    """What a stream gives up to the line with these words."""
    assert stream is not None
    told = b""
    while words not in told:
        read = await asyncio.wait_for(stream.readline(), WAIT_S)
        assert read, told
        told += read
    return told


@pytest.fixture
def silent() -> socket.socket:
    """A listener that answers nobody."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener


@pytest.mark.parametrize("words", [["sweep"], ["doctor"], ["enqueue", "octo/shop#1"]])
async def test_a_command_that_waits_for_a_host_that_does_not_answer(tmp_path: Path, silent: socket.socket, words: list[str]) -> None:
    with Stage(tmp_path) as stage, silent:
        stage.change_profile({"host": {"api_url": f"http://127.0.0.1:{silent.getsockname()[1]}"}})
        assert (await stage.run("pause", "A reason."))[0] == 0
        async with running(stage, *words, "--json") as process:
            connection, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(silent), WAIT_S)
            with connection:
                assert await struck(process) == "", "nothing that is no JSON"
        said = await stage.told("status")

    assert (said["paused"]["reason"], said["queued"]) == ("A reason.", 0)


async def test_a_wait_for_a_job_leaves_it_in_the_queue(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        async with running(stage, "enqueue", "octo/shop#1", "--wait", "--json") as process:
            assert await struck(process, await line(process.stderr, b"Waiting for job")) == ""
        assert (await stage.told("status"))["queued"] == 1
        async with running(stage, "status", "--watch", "--json") as process:
            watched = await line(process.stdout, b"\n")
            watched += (await struck(process)).encode()

    assert [json.loads(each)["queued"] for each in watched.splitlines()] == [1]


@pytest.mark.parametrize(
    ("words", "sign"),
    [(["load-test", "--agent", "scripted", "--json"], b"firing"), (["drill", "--agent", "scripted", "--json"], b"burst: ")],
)
async def test_a_trial_leaves_no_process_and_no_file(tmp_path: Path, words: list[str], sign: bytes) -> None:
    with Stage(tmp_path) as stage:
        before = sorted(tmp_path.rglob("*"))
        async with running(stage, *words) as process:
            assert await struck(process, await line(process.stderr, sign)) == ""
        assert sorted(tmp_path.rglob("*")) == before


async def test_an_audit_that_waits_for_its_input(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        async with running(stage, "audit-logs", "-", "--json") as process:
            assert process.stdin is not None
            process.stdin.write(b"x" * (1 << 21))  # more than a pipe holds: once it is written, somebody reads
            await asyncio.wait_for(process.stdin.drain(), WAIT_S)
            assert await struck(process) == ""
