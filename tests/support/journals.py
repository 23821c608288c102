"""Exports of systemd's journal, and a stand-in for `journalctl` that prints one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

Fields = Sequence[tuple[str, bytes]]


def exported(entries: Iterable[Fields]) -> bytes:
    """As https://systemd.io/JOURNAL_EXPORT_FORMATS has it: text in a line, everything else with its length before it."""
    return b"".join(b"".join(_field(name.encode(), value) for name, value in entry) + b"\n" for entry in entries)


def _field(name: bytes, value: bytes) -> bytes:
    if all(byte >= 32 or byte == 9 for byte in value):
        return name + b"=" + value + b"\n"
    return name + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"


def stand_in(folder: Path, export: bytes, *, said: str = "", code: int = 0) -> str:
    """A PATH on which `journalctl` prints this export; what it was asked, and its environment, go into `folder`/asked."""
    programs = folder / "programs"
    programs.mkdir()
    (folder / "export").write_bytes(export)
    program = programs / "journalctl"
    program.write_text(
        f"#!{sys.executable} -I\nimport os, sys\n"
        f"with open({str(folder / 'asked')!r}, 'w') as asked: print(*sys.argv[1:], file=asked); print(sorted(os.environ), file=asked)\n"
        f"sys.stderr.write({said!r})\n"
        f"try: sys.stdout.buffer.write(open({str(folder / 'export')!r}, 'rb').read())\nexcept BrokenPipeError: os._exit(1)\n"
        f"sys.exit({code})\n"
    )
    program.chmod(0o755)
    return str(programs)
