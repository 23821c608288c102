"""A long attack on a real `prreview serve`: good, forged and broken deliveries and plain garbage, all at once.

    nice -n 19 python benchmarks/door_soak.py [--deliveries 1000000] [--minutes 60] [--connections 128] [--seed 1] [--folder FOLDER]

Promised, and checked at the end: no answer of 500 or above, no crash, no row that an unsigned request made, one row for
each delivery that was answered 200 (more only where an answer did not reach us), no traceback in the log, and a server
that ends in order. Prints the figures as JSON; exit code 1 if a promise is broken. A million needs about 1 GB in FOLDER,
which is emptied afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from prreview_cli.hosts.github.webhook import signature
from prreview_cli.trials import server_process, temporary_profile

FORGED, FORM = 401, 415
ANSWER_S = 60.0
LATE, ATTEMPTS = {0, 408}, 3
"""On a busy machine we may ourselves come later than the door waits for; then it is tried again."""
BROKEN = (b"[" * 5000, b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a":1,"a":2}', b"1" * 5000)
GARBAGE = (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /webhook/pr HTTP/1.1\r\ncontent-length: x\r\n\r\n")


class Attacker:
    """Makes requests; each comes with the statuses that may answer it, none for what may just be hung up on."""

    def __init__(self, secret: str, dice: random.Random) -> None:
        self._key, self._dice = secret.encode(), dice
        self._made = 0

    def requests(self) -> Iterator[tuple[bytes, frozenset[int]]]:
        """For ever."""
        kinds = (self._good, self._forged, self._altered, self._malformed, self._form, self._noise)
        while True:
            [kind] = self._dice.choices(kinds, (45, 25, 10, 8, 4, 8))
            yield kind()

    def _good(self) -> tuple[bytes, frozenset[int]]:
        body = self._body()
        return self._request(body, signature(body, self._key)), frozenset({200})

    def _forged(self) -> tuple[bytes, frozenset[int]]:
        body = self._body()
        given = self._dice.choice((signature(body, b"another secret"), b"", b"sha256=", "é".encode(), b"sha1=" + b"0" * 40))
        return self._request(body, given), frozenset({FORGED})

    def _altered(self) -> tuple[bytes, frozenset[int]]:
        body = self._body()
        place = self._dice.randrange(len(body))
        changed = body[:place] + bytes([body[place] ^ (1 << self._dice.randrange(8))]) + body[place + 1 :]
        return self._request(changed, signature(body, self._key)), frozenset({FORGED})

    def _malformed(self) -> tuple[bytes, frozenset[int]]:
        body = self._dice.choice((*BROKEN, self._dice.randbytes(300)))
        return self._request(body, signature(body, self._key)), frozenset({400})

    def _form(self) -> tuple[bytes, frozenset[int]]:
        body = b"payload=%7B%7D"
        return self._request(body, signature(body, self._key), b"application/x-www-form-urlencoded"), frozenset({FORM})

    def _noise(self) -> tuple[bytes, frozenset[int]]:
        whole = bytearray(self._forged()[0])
        for _ in range(self._dice.randrange(1, 20)):
            whole[self._dice.randrange(len(whole))] = self._dice.randrange(256)
        return self._dice.choice((bytes(whole), self._dice.randbytes(200), *GARBAGE)), frozenset()

    def _body(self) -> bytes:
        self._made += 1
        number = self._made % 5000 + 1
        pull = {
            "number": number,
            "head": {"sha": f"{self._made // 4:040x}"},
            "base": {"ref": "main"},
            "state": "open",
            "title": "x'; DROP TABLE job; --",
            "author_association": "MEMBER",
            "updated_at": "2026-01-01T00:00:00Z",
            "user": {"login": "alice"},
        }
        about = {"repository": {"id": number % 50 + 1, "full_name": f"octo/demo{number % 50}"}, "sender": {"login": "alice"}}
        return json.dumps({"action": "synchronize", "pull_request": pull, **about}).encode()

    def _request(self, body: bytes, signed: bytes, kind: bytes = b"application/json") -> bytes:
        head = b"POST /webhook/pr HTTP/1.1\r\nhost: soak\r\nx-github-event: pull_request\r\nx-github-delivery: %d\r\n" % self._made
        return head + b"content-type: %s\r\nx-hub-signature-256: %s\r\ncontent-length: %d\r\n\r\n" % (kind, signed, len(body)) + body


class Soak:
    """Sends over some connections at once, and counts what comes back."""

    def __init__(self, url: str, requests: Iterator[tuple[bytes, frozenset[int]]]) -> None:
        self.address, self._requests = url.removeprefix("http://").partition("/")[0].rpartition(":"), requests
        self.statuses: Counter[int] = Counter()  # 0: hung up on
        self.noise: Counter[int] = Counter()
        self.wrong: Counter[str] = Counter()
        self.late = 0

    async def sender(self) -> None:
        """One connection after another, each kept as long as it serves."""
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        for data, expected in self._requests:
            for _ in range(ATTEMPTS):
                if reader is None or writer is None:
                    reader, writer = await asyncio.open_connection(self.address[0], int(self.address[2]))
                status = await self._ask(reader, writer, data, ended=not expected)
                if not expected or status in LATE:
                    writer.close()
                    reader = writer = None
                if not expected or status not in LATE:
                    break
                self.late += 1
            (self.statuses if expected else self.noise)[status] += 1
            if expected and status not in expected:
                self.wrong[f"{status} in place of {min(expected)}"] += 1
        if writer is not None:
            writer.close()

    @staticmethod
    async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes, *, ended: bool) -> int:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                writer.write(data)
                if ended:
                    writer.write_eof()
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0))
                return int(head.split()[1])
        return 0


def memory(pid: int) -> int:
    """The most MiB that were resident."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) >> 10
    return 0


async def soak(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run it; the figures."""
    keys = temporary_profile.Keys()
    nowhere = "http://127.0.0.1:9"
    profile = temporary_profile.write(folder, keys, model_url=nowhere, api_url=nowhere, git_url=nowhere, workers=1)
    arguments = ["--profile", str(profile), "--port", "0", "--ops-port", "0", "--workers", "0"]
    async with server_process.serving(arguments, folder) as server:
        requests = Attacker(keys.webhook_secret, random.Random(options.seed)).requests()
        began, before = time.monotonic(), 0
        limited = takewhile(lambda _: time.monotonic() - began < options.minutes * 60, islice(requests, options.deliveries))
        attack = Soak(server.ready.webhook, limited)
        senders = asyncio.gather(*(attack.sender() for _ in range(options.connections)))
        while not (await asyncio.wait({senders}, timeout=30))[0] and not server.died:
            before = before or memory(server.pid)
            done = attack.statuses.total() + attack.noise.total()
            print(f"{done} in {time.monotonic() - began:.0f} s, {memory(server.pid)} MiB", file=sys.stderr, flush=True)
        seconds, died, peak = time.monotonic() - began, server.died, memory(server.pid)
        if died:
            senders.cancel()
        await asyncio.gather(senders, return_exceptions=died)
        code = await server.drain()
    return {
        "sent": attack.statuses.total() + attack.noise.total(),
        "seconds": round(seconds),
        "answers": {str(status): count for status, count in sorted(attack.statuses.items())},
        "answers_to_noise": {str(status): count for status, count in sorted(attack.noise.items())},
        "unexpected": dict(attack.wrong),
        "sent_late": attack.late,
        "five_hundreds": sum(count for each in (attack.statuses, attack.noise) for status, count in each.items() if status >= 500),
        "rows": rows(folder),
        "accepted": attack.statuses[200] + attack.noise[200],
        "tracebacks": tracebacks(folder),
        "memory_mib": {"after_30_s": before, "peak": peak},
        "died": died,
        "exit_code": code,
    }


def rows(folder: Path) -> int:
    """The deliveries that are kept."""
    [database] = folder.rglob("queue.db")
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM delivery").fetchone()[0])


def tracebacks(folder: Path) -> int:
    """How many it printed or logged."""
    return sum(file.read_bytes().count(b"Traceback") for pattern in ("*.log", "*.jsonl*") for file in folder.rglob(pattern))


def main() -> None:
    """Soak, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=600, help="stop earlier")
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = asyncio.run(soak(Path(folder), options))
    print(json.dumps(figures, indent=2))
    bad = figures["five_hundreds"] or figures["unexpected"] or figures["tracebacks"] or figures["died"] or figures["exit_code"]
    missing = figures["accepted"] - figures["rows"]
    sys.exit(1 if bad or not -figures["sent_late"] <= missing <= 0 else 0)


if __name__ == "__main__":
    main()
