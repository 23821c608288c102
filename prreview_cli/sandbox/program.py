"""A program file that starts another one confined: for callers who know nothing but a path to run."""

from __future__ import annotations

import os
import platform
import shlex
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prreview_cli.sandbox.cell import LAUNCHER

_PT_INTERP = 3
_LIBRARY_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")


class NotAProgram(ValueError):
    """A file that the kernel hands to another program, such as a script: it cannot be confined by what it is made of."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A network of a program's own: `port` of its loopback is listened on, and that socket is sent to `handover`.
    `root` is an empty folder; a root for the program is built on it."""

    root: Path
    port: int
    handover: Path


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a confined program reaches: nothing but itself, its libraries, /dev/null and these paths. Landlock holds it
    to that (`files`), and so does `enclosure`, where everything else is not even there. Without `tcp` Landlock lets it
    open no TCP connection either, from ABI 4 on."""

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    execute: tuple[Path, ...] = ()
    files: bool = True
    enclosure: Enclosure | None = None
    tcp: bool = True

    def fields(self, program: Path) -> list[tuple[str, object]]:
        """What the launcher is told of it."""
        fields = _own_reach((program, *self.execute))
        fields += [("read", path) for path in self.read]
        fields += [("write", path) for path in self.write]
        if self.files:
            fields += [("layer", "files"), ("tcp", "yes" if self.tcp else "no")]
        if self.enclosure is not None:
            fields += [("layer", "network"), ("root", self.enclosure.root)]
            fields += [("port", self.enclosure.port), ("handover", self.enclosure.handover)]
        return fields


@dataclass(frozen=True, slots=True)
class ProgramFile:
    """A program to be started by path with an environment of exactly `environment`, plus those of
    `keep` that its caller sets. `confinement` None: neither layer. Sizes in bytes."""

    program: Path
    environment: dict[str, str]
    keep: tuple[str, ...] = ()
    confinement: Confinement | None = None
    file_size: int = 64 << 20
    open_files: int = 4096

    def write(self, folder: Path) -> Path:
        """Write the program file into a private folder; its path. It dies with this process, and it
        leads a process group whose id it writes to `pid` beside. Once `order` is gone it starts no more."""
        order = folder / "order"
        with os.fdopen(os.open(order, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(b"".join(os.fsencode(f"{verb}={value}") + b"\0" for verb, value in self._fields()))
        start = folder / "start"
        known = [f"parent={os.getpid()}", f"report={folder / 'pid'}", f"order={order}"]
        command = shlex.join([sys.executable, "-I", "-S", str(LAUNCHER), *known, "--"])
        # A shell and no #! of Python's: a path with a space, or a long one, cannot stand there.
        with os.fdopen(os.open(start, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700), "wb") as file:
            file.write(os.fsencode(f'#!/bin/sh\nexec {command} "$@"\n'))
        return start

    def _fields(self) -> list[tuple[str, object]]:
        fields: list[tuple[str, object]] = [("program", self.program)]
        fields += [("env", f"{name}={value}") for name, value in self.environment.items()]
        fields += [("keep", name) for name in self.keep]
        fields += [("file_size", self.file_size), ("open_files", self.open_files)]
        if self.confinement is not None:
            fields += self.confinement.fields(self.program)
        return fields


def _own_reach(programs: Sequence[Path]) -> list[tuple[str, object]]:
    """What programs need to start at all. Only they and their loaders may be executed, so no shell that is there can be; a
    program that was taken over may write another and have the loader load it, which then may do no more than itself."""
    fields: list[tuple[str, object]] = [*(("execute", program) for program in programs), ("write", "/dev/null"), ("read", "/dev/urandom")]
    loaders = {loader for program in programs if program.is_file() and (loader := interpreter(program)) is not None}
    if loaders:
        fields += [("execute", loader) for loader in sorted(loaders)]
        fields += [("read", folder) for folder in library_folders()]
    return fields


def library_folders() -> list[Path]:
    """Where the loader finds the C library: Debian's folder of this machine's kind, else the common ones."""
    multiarch = Path("/lib", f"{platform.machine()}-linux-gnu")
    folders = [multiarch] if multiarch.is_dir() else [Path(folder) for folder in _LIBRARY_FOLDERS]
    cache = Path("/etc/ld.so.cache")
    return [path for path in (*folders, cache) if path.exists()]


def interpreter(program: Path) -> Path | None:
    """The loader that a 64-bit little-endian ELF program names; None if it needs none."""
    with program.open("rb") as file:
        head = file.read(64)
        if head[:6] != b"\x7fELF\x02\x01":
            raise NotAProgram(f"{program} is not a 64-bit Linux program.")
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(table)
        entries = file.read(size * count)
        for start in range(0, len(entries), size):
            kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", entries, start)
            if kind == _PT_INTERP:
                file.seek(offset)
                return Path(os.fsdecode(file.read(length).rstrip(b"\0")))
    return None
