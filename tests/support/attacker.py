"""A hostile program in the agent's cell, and what it would like to reach: canaries of every kind of socket, and files."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prreview_cli.sandbox import FILES, NETWORK, Confinement, Enclosure, Handover, ProgramFile, handover

PYTHON = Path(os.path.realpath(sys.executable))

_ATTACK = """
import ctypes, json, os, socket, sys
KEYCTL = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)

def tcp(port): socket.create_connection(("127.0.0.1", port), 3).sendall(b"loot")
def udp(port): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"loot", ("127.0.0.1", port))
def unix(path):
    os.chdir(os.path.dirname(path))
    knock = socket.socket(socket.AF_UNIX)
    knock.connect(os.path.basename(path))
    knock.sendall(b"loot")
def abstract(name):
    knock = socket.socket(socket.AF_UNIX)
    knock.connect(bytes.fromhex(name))
    knock.sendall(b"loot")
def family(number): socket.socket(*map(int, number.split(".")))
def raw(number): socket.socket(socket.AF_INET, socket.SOCK_RAW, number)
def read(path): open(path, "rb").read(1)
def write(path): open(path, "wb")
def execute(path): os.spawnv(os.P_WAIT, path, [path]) == 0 or 1 / 0
def key(number):
    room = ctypes.create_string_buffer(100)
    if libc.syscall(KEYCTL, 11, ctypes.c_long(number), room, ctypes.c_size_t(100), ctypes.c_long(0)) < 0:
        raise OSError(ctypes.get_errno(), "keyctl")
    assert room.value == b"canary"
def memory(number):
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(number, None, 0)
    if place == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "shmat")
    assert ctypes.string_at(place, 6) == b"canary"
def signal(pid): os.kill(pid, 0)

for kind, place in json.loads(sys.argv[1]):
    try:
        globals()[kind](place)
    except Exception as error:
        print(json.dumps([kind, place, type(error).__name__]))
    else:
        print(json.dumps([kind, place, ""]))
"""


@dataclass(frozen=True)
class Canaries:
    """Sockets that listen outside the cell."""

    sockets: dict[str, socket.socket]
    path: Path

    @classmethod
    @contextmanager
    def listening(cls, folder: Path) -> Iterator[Canaries]:
        with ExitStack() as stack:
            sockets = {
                "tcp": socket.create_server(("127.0.0.1", 0)),
                "udp": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
                "unix": socket.socket(socket.AF_UNIX),
                "abstract": socket.socket(socket.AF_UNIX),
            }
            for each in sockets.values():
                stack.enter_context(closing(each))
                each.setblocking(False)
            sockets["udp"].bind(("127.0.0.1", 0))
            handover.bind(sockets["unix"], folder / "bus")
            sockets["abstract"].bind("")
            for kind in ("unix", "abstract"):
                sockets[kind].listen()
            yield cls(sockets, folder / "bus")

    @property
    def aims(self) -> list[tuple[str, object]]:
        abstract = self.sockets["abstract"].getsockname()
        return [
            ("tcp", self.sockets["tcp"].getsockname()[1]),
            ("udp", self.sockets["udp"].getsockname()[1]),
            ("unix", str(self.path)),
            ("abstract", abstract.hex()),
        ]

    def touched(self) -> set[str]:
        """The kinds that something came in at."""
        found = set()
        for kind, canary in self.sockets.items():
            try:
                if kind == "udp":
                    canary.recv(1)
                else:
                    canary.accept()[0].close()
            except BlockingIOError:
                continue
            found.add(kind)
        return found


@dataclass(frozen=True)
class Attacked:
    """What each attempt came to: "" if it succeeded, else the error's name; what came in at the cell's own door."""

    attempts: dict[tuple[str, object], str]
    at_the_door: int

    def succeeded(self) -> set[tuple[str, object]]:
        return {attempt for attempt, error in self.attempts.items() if not error}


def program(folder: Path, layers: Collection[str], door: int = 0) -> tuple[Path, Handover | None]:
    """Python in a cell of these layers, which may read its library and write beneath `folder`/cell; its program file."""
    for name in ("cell", "root"):
        (folder / name).mkdir(mode=0o700)
    taken = Handover(folder / "door") if NETWORK in layers else None
    enclosure = Enclosure(folder / "root", door, taken.path) if taken is not None else None
    reach = Confinement((Path(sys.base_prefix),), (folder / "cell",), files=FILES in layers, enclosure=enclosure)
    return ProgramFile(PYTHON, {}, confinement=reach if layers else None).write(folder), taken


async def attack(folder: Path, layers: Collection[str], aims: list[tuple[str, object]], *, door: int = 0) -> Attacked:
    """Let the hostile program try each of these in a cell of these layers."""
    folder.mkdir(mode=0o700)
    start, taken = program(folder, layers, door)
    process = await asyncio.create_subprocess_exec(
        *(start, "-I", "-S", "-B", "-c", _ATTACK, json.dumps(aims)),
        stdout=asyncio.subprocess.PIPE,
        cwd=folder / "cell",
        env={},
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    knocks = 0
    if taken is not None:
        with closing(taken), closing(taken.take()) as own:
            while True:
                try:
                    own.accept()[0].close()
                except BlockingIOError:
                    break
                knocks += 1
    said = [json.loads(line) for line in out.splitlines()]
    return Attacked({(kind, place): error for kind, place, error in said}, knocks)
