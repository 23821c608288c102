"""A folder on a disk that forgets, at a power cut, whatever was not fsynced."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
COMPILER = shutil.which("cc")
LUCK = 0.3
_FSYNC_ALL = """
import os, sys
for path in [*(entry.path for entry in os.scandir(sys.argv[1]) if entry.is_file()), sys.argv[1]]:
    opened = os.open(path, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)
"""


@dataclass(frozen=True, slots=True)
class Disk:
    """`folder` is what the programs see; only those that are given `environment` are on this disk. See disk.c."""

    folder: Path
    picture: Path
    shim: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a child needs to be on this disk."""
        return {"LD_PRELOAD": str(self.shim), "POWER_FOLDER": str(self.folder), "POWER_DISK": str(self.picture)}

    def cut(self, dice: random.Random | None = None) -> None:
        """Make the folder what it is after a power cut. Every program on this disk must have ended.

        With `dice`, what was written to a file since its last fsync happens to be on the disk too, for some of the files.
        """
        survivors = [line.split(" ", 1) for line in (self.picture / "names").read_text().splitlines()]
        written = {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}
        for name in written:
            (self.folder / name).unlink()
        for key, name in survivors:
            kept = self.picture / "content" / key
            content = kept.read_bytes() if kept.exists() else b""
            lucky = dice is not None and dice.random() < LUCK
            (self.folder / name).write_bytes(written.get(name, content) if lucky else content)
        self.fsync_all()

    def fsync_all(self) -> None:
        """Let the disk hold all that the folder holds now."""
        shutil.rmtree(self.picture, ignore_errors=True)
        (self.picture / "content").mkdir(parents=True)
        subprocess.run([sys.executable, "-I", "-c", _FSYNC_ALL, self.folder], env=self.environment, check=True, timeout=60)


def new_disk(root: Path) -> Disk:
    """A disk with an empty folder `root/disk`; its shim is compiled here."""
    folder, shim = root / "disk", root / "disk.so"
    folder.mkdir(mode=0o700)
    assert COMPILER is not None
    subprocess.run(
        [COMPILER, "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", shim, HERE / "disk.c"], check=True, timeout=60
    )
    disk = Disk(folder.resolve(), root.resolve() / "picture", shim)
    disk.fsync_all()
    return disk
