"""git on one bare repository of ours: its layout, its environment, one short child a question."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from prreview_cli.core.errors import SnapshotFailed, SnapshotTooLarge
from prreview_cli.sandbox import Completed, NotAProgram, environment, run
from prreview_cli.snapshots.reach import confinement

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_STDERR_ROOM = 1 << 16

_ENVIRONMENT = {
    "LC_ALL": "C",  # its messages are read (refusals.py), and patterns match bytes
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "SSH_ASKPASS": "/bin/false",
    "GIT_SSH_COMMAND": "/bin/false",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOC_LIMIT": "1g",  # no one object takes the memory of the machine (wrapper.c; not in the manual)
}

_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.quotePath": "false",  # names as the model should read them
    "attr.tree": _EMPTY_TREE,  # from git 2.43 on, a bare repository would read the head's own attributes
    "protocol.version": "2",
    "credential.helper": "",
    "http.followRedirects": "false",
    "fetch.recurseSubmodules": "no",
    "fetch.unpackLimit": "1",  # one pack, whatever its size: one file to watch
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "diff.renameLimit": "1000",
}

_INFO_ATTRIBUTES = "* !diff !text !eol !filter !ident !working-tree-encoding\n"
"""Of all places for attributes this one counts most: whatever a tree says of a file, it is compared as it is."""


@dataclass(frozen=True, slots=True)
class Git:
    """A bare repository in `folder` (private to us), and how git is asked about it.

    `file_bytes`: larger files count as binary, so that they are neither compared nor held in memory. Where the kernel
    has Landlock, git reaches this folder (to write only if `writable`), the folders `reads`, and what it is made of.
    `memory_bytes`: what one git process may allocate.
    """

    folder: Path
    file_bytes: int
    reads: tuple[Path, ...] = ()
    writable: bool = False
    memory_bytes: int = 1 << 30

    @classmethod
    def create(cls, folder: Path, file_bytes: int, *, sha256: bool, reads: tuple[Path, ...] = (), memory_bytes: int = 1 << 30) -> Git:
        """Lay out an empty repository by hand: that is all `git init` would do, without templates and hooks."""
        for name in ("objects/pack", "refs", "info"):
            (folder / name).mkdir(parents=True, mode=0o700)
        version, extension = (1, "[extensions]\n\tobjectFormat = sha256\n") if sha256 else (0, "")
        (folder / "config").write_text(f"[core]\n\trepositoryFormatVersion = {version}\n\tbare = true\n{extension}")
        (folder / "HEAD").write_text("ref: refs/heads/none\n")
        (folder / "info/attributes").write_text(_INFO_ATTRIBUTES)
        return cls(folder, file_bytes, reads, writable=True, memory_bytes=memory_bytes)

    async def ask(
        self,
        *arguments: str,
        timeout_s: float,
        max_bytes: int,
        stdin: bytes | None = None,
        protocols: str = "",
        config: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run one git command; what it prints is cut at `max_bytes`, and `truncated` then. `protocols` are the
        transports it may use: none. TimeoutError; SnapshotFailed without git."""
        try:
            done = await run(
                ("git", *arguments),
                env=self._environment(protocols, config or {}),
                cwd=self.folder,
                stdin=stdin,
                timeout_s=timeout_s,
                max_output_bytes=max_bytes + _STDERR_ROOM,
                confinement=confinement(self.folder, reads=self.reads, writable=self.writable, tcp=bool(protocols)),
                memory_bytes=self.memory_bytes,
            )
        except FileNotFoundError:
            raise SnapshotFailed("There is no git on this machine.", remedy="Install git 2.31 or later.") from None
        except NotAProgram as error:
            raise SnapshotFailed(f"git cannot be confined: {error}", remedy="Put git itself on the path, and no script.") from None
        return replace(done, stdout=done.stdout[:max_bytes], truncated=True) if len(done.stdout) > max_bytes else done

    async def read(self, *arguments: str, timeout_s: float, max_bytes: int, stdin: bytes | None = None) -> Completed:
        """Run a command that reads fetched objects; SnapshotFailed or SnapshotTooLarge if it fails, but not if it said too much."""
        try:
            done = await self.ask(*arguments, timeout_s=timeout_s, max_bytes=max_bytes, stdin=stdin)
        except TimeoutError:
            raise SnapshotFailed(f"git {arguments[0]} took longer than {timeout_s:g} s.") from None
        if done.returncode and not done.truncated:
            if out_of_memory(done):
                raise SnapshotTooLarge(
                    f"git {arguments[0]} ran out of memory ({self.memory_bytes} bytes) or of stack: too many files, or too deep."
                )
            said = done.stderr.decode("utf-8", "replace").strip()
            raise SnapshotFailed(f"git {arguments[0]} failed: {said[:300]!a}")
        return done

    def _environment(self, protocols: str, config: Mapping[str, str]) -> dict[str, str]:
        settings = {**_CONFIG, "core.bigFileThreshold": str(self.file_bytes), **config}
        numbered = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            numbered[f"GIT_CONFIG_KEY_{number}"] = key
            numbered[f"GIT_CONFIG_VALUE_{number}"] = value
        ours = {"GIT_DIR": str(self.folder), "HOME": str(self.folder), "GIT_ALLOW_PROTOCOL": protocols}
        return environment({**_ENVIRONMENT, **ours, **numbered})


def out_of_memory(done: Completed) -> bool:
    """Whether git was killed, or ended because it may not have more memory (its own wrapper.c says so in two ways)."""
    return done.returncode < 0 or b"ut of memory" in done.stderr or b"over limit" in done.stderr


async def folder_bytes(folder: Path) -> int:
    """What the files beneath a folder hold, as far as they are still there."""

    def count() -> int:
        total = 0
        for path in folder.rglob("*"):
            try:
                total += path.lstat().st_size
            except FileNotFoundError:
                continue  # git renames its packs when they are whole
        return total

    return await asyncio.to_thread(count)
