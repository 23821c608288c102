"""A disk that takes no more, and databases that cannot be used: said in one sentence, by the installed program."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from support.stage import WAIT_S, Stage, get


@contextlib.contextmanager
def no_room(pid: int) -> Iterator[None]:
    """No file of this process may grow meanwhile, as on a full disk; Python ignores the signal that comes with it."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def test_a_disk_that_takes_no_more_is_503_to_everyone_and_needs_no_restart(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=8) as stage:
        deliveries = [stage.delivery(number) for number in range(1, 9)]
        async with stage.serving("--workers", "0") as served:
            async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as client:
                with no_room(served.process.pid):
                    posts = [client.post(served.webhook, content=each.body, headers=each.headers) for each in deliveries]
                    refused = await asyncio.gather(*posts)
                    async with asyncio.timeout(WAIT_S):  # a healthy answer is remembered for a second
                        while (await client.get(f"{served.root}/healthz")).status_code != 503:
                            pass
            assert {answer.status_code for answer in refused} == {503}
            assert (await stage.told("jobs", "list"))["jobs"] == []

            answers = await stage.send(served, deliveries)
            assert {answer["status"] for answer in answers} == {"queued"}
            async with asyncio.timeout(WAIT_S):
                while (await get(f"{served.root}/healthz")).status_code != 200:
                    pass
            assert await served.terminate() == 0
        assert "Traceback" not in served.stderr.read_text()


def newer(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()


def garbage(path: Path) -> None:
    path.write_bytes(b"GARBAGE " * 1000)


def damaged(path: Path) -> None:
    """Every page but the first is overwritten."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


EXPECTED: dict[Callable[[Path], None], str] = {newer: "newer prreview", garbage: "is not a database", damaged: "is damaged"}


async def refusal(stage: Stage, verb: str) -> tuple[int, str, str]:
    words = {"serve": ["--port", "0", "--allow-unsandboxed"], "work": ["--allow-unsandboxed"], "enqueue": ["octo/shop#1"], "status": []}
    return await stage.run(verb, *words[verb])


async def test_a_database_that_cannot_be_used_is_one_sentence_from_every_verb(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        assert (await stage.run("pause", "Look first."))[0] == 0
        [path] = tmp_path.rglob("queue.db")
        good = path.read_bytes()
        for trouble, sentence in EXPECTED.items():
            path.write_bytes(good)
            trouble(path)
            verbs = ["status", "work", "serve", "enqueue"] if trouble is garbage else ["status"]
            for code, out, err in await asyncio.gather(*(refusal(stage, verb) for verb in verbs)):
                assert (code, out) == (2, "")
                assert sentence in err
                assert err.count("error:") == 1
                assert "Traceback" not in err
