"""Layers tried and not merely asked for: a child confines itself and then attempts what it must not do."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from prreview_cli.sandbox.handover import Handover, bind

_WITHIN_S = 10
_OTHER_FAMILIES = ("16.2", "17.2", "38.5", "40.1")
"""Netlink, packets, the kernel's cryptography, and a virtual machine's host: each with a kind of socket that it has."""


def files(launcher: Path) -> bool:
    """Whether a file within reach can be opened, and one beyond it can neither be read nor made."""
    with tempfile.TemporaryDirectory(prefix="prreview-probe-") as folder:
        within, beyond = Path(folder, "within"), Path(folder, "beyond")
        for path in (within, beyond):
            path.write_text("canary", encoding="ascii")
        done = _run(launcher, ["layer=files", f"read={within}", f"try={beyond}"])
    return done is not None and done.returncode == 0


def network(launcher: Path) -> str:
    """What is wrong with the layer, as a sentence without its end; "" if nothing is. Sockets of ours of each kind are
    knocked at from inside, and files beyond the child's root opened: only its own door and its own file may open."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prreview-probe-")))
        within, beyond, root = folder / "within", folder / "beyond", folder / "root"
        root.mkdir(mode=0o700)
        for path in (within, beyond):
            path.write_text("canary", encoding="ascii")
        door, tcp = _listening(stack), _listening(stack)
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        named, abstract = (stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2))
        bind(named, folder / "socket")
        abstract.bind("")  # the kernel finds a free name
        for canary in (named, abstract):
            canary.listen()
        handover = stack.enter_context(closing(Handover(folder / "handover")))
        allowed = [f"tcp:{_port(door)}", f"file:{within}"]
        forbidden = [f"tcp:{_port(tcp)}", f"udp:{_port(udp)}", f"unix:{folder / 'socket'}", f"file:{beyond}"]
        forbidden += [f"abstract:{os.fsdecode(abstract.getsockname()[1:])}", *(f"family:{number}" for number in _OTHER_FAMILIES)]
        forbidden += ["keys:", "memory:"]
        layer = ["layer=network", f"read={within}", f"root={root}", f"port={_port(door)}", f"handover={handover.path}"]
        done = _run(launcher, [*layer, *(f"knock={address}" for address in (*allowed, *forbidden))])
        if done is None or done.returncode:
            return _told(done)
        opened = done.stdout.decode(errors="replace").splitlines()
        held = opened == allowed and _knocked_at(handover.take()) and not any(map(_touched, (door, tcp, udp, named, abstract)))
        return "" if held else "namespaces did not hold back what they must hold back"


def _run(launcher: Path, fields: Sequence[str]) -> subprocess.CompletedProcess[bytes] | None:
    command = [sys.executable, "-I", "-S", str(launcher), f"parent={os.getpid()}", *fields, "--"]
    try:
        return subprocess.run(command, env={}, capture_output=True, timeout=_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _told(done: subprocess.CompletedProcess[bytes] | None) -> str:
    said = "" if done is None else done.stderr.decode(errors="replace").strip().rpartition("was not started: ")[2][:200]
    refused = f"[Errno {errno.EPERM}]" in said or f"[Errno {errno.ENOSPC}]" in said or f"[Errno {errno.EACCES}]" in said
    hint = "; a container's seccomp profile or the kernel's settings refuse user namespaces to this user" if refused else ""
    return f"the kernel gives no namespaces ({said or 'no answer'}){hint}"


def _listening(stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_server(("127.0.0.1", 0)))


def _port(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port


def _touched(canary: socket.socket) -> bool:
    canary.setblocking(False)
    try:
        if canary.type == socket.SOCK_DGRAM:
            canary.recv(1)
        else:
            canary.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def _knocked_at(door: socket.socket) -> bool:
    with closing(door):
        return _touched(door)
