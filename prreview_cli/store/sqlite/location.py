"""Where the database lies, and whether it may lie there: ours alone, and on a disk of this machine."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import threading
from pathlib import Path

from prreview_cli.core.errors import StoreUnusable

_SCHEME = "sqlite:///"
_SHARED = re.compile(
    r"9p|afs|beegfs|ceph|cifs|coda|gfs2|glusterfs|gpfs|lustre|ncpfs|nfs4?|ocfs2|smb[23f].*|(fuse\.)?(davfs2?|glusterfs|rclone|s3fs|sshfs)"
)
_ESCAPES = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}
_MOUNTS = Path("/proc/self/mounts")
_CREATING = threading.Lock()


def parse_sqlite_url(url: str) -> Path:
    """The file of `sqlite:////absolute/path`; StoreUnusable for anything else."""
    path = url.removeprefix(_SCHEME)
    if not url.startswith(_SCHEME) or not path.startswith("/") or "\0" in path or path.endswith("/"):
        raise StoreUnusable(
            f"queue.url is {url!r}, which does not name an absolute path.",
            remedy="Write sqlite:////absolute/path, with four slashes: a relative path would depend on where prreview is started.",
        )
    return Path(path)


def prepare(path: Path, *, must_exist: bool) -> Path:
    """See that the database's file exists, private and on a local disk; its path without symbolic links.

    Never opens a file that exists: closing it would drop the locks that this process holds on it through
    SQLite (https://sqlite.org/howtocorrupt.html, "POSIX advisory locks").
    """
    try:
        return _prepare(path, must_exist=must_exist)
    except OSError as error:
        raise StoreUnusable(f"The database {path} cannot be used: {error.strerror or error}.") from error


def _prepare(path: Path, *, must_exist: bool) -> Path:
    if path.is_symlink() and path.lstat().st_uid != os.geteuid():
        raise StoreUnusable(f"The database {path} is a symbolic link that belongs to another user.", remedy="Remove the link.")
    path = path.resolve()
    if must_exist and not path.exists():
        raise StoreUnusable(
            f"There is no database at {path} yet.",
            remedy="It appears with the first `prreview serve`, `work` or `enqueue` of this profile.",
        )
    _make_folders(path.parent)
    refuse_network(path.parent, _MOUNTS)
    _create(path)
    _expect_ours(path)
    return path


def _make_folders(folder: Path) -> None:
    """Those that are missing, readable by nobody else whatever the umask."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        _sync(each.parent)  # else a power cut could take the folder, and all that was acknowledged in it


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _create(path: Path) -> None:
    """Under a lock, so that no other thread opens the file before it is closed here."""
    with _CREATING, contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def _expect_ours(path: Path) -> None:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise StoreUnusable(f"The database {path} is not a regular file.", remedy="Let queue.url name a file.")
    if os.geteuid() not in {0, found.st_uid}:
        raise StoreUnusable(f"The database {path} belongs to another user.", remedy="Run prreview as the user that owns it.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o600)  # SQLite gives -wal and -shm the mode of the database


def identity(path: Path) -> tuple[int, int]:
    """Which file the path leads to: (device, inode)."""
    found = path.stat()
    return found.st_dev, found.st_ino


def expect_same(path: Path, file: tuple[int, int]) -> None:
    """StoreUnusable if the path leads to this file no longer. SQLite itself would write on, into a file that
    nobody will ever open again."""
    try:
        same = identity(path) == file
    except OSError:
        same = False
    if not same:
        raise StoreUnusable(
            f"The database {path} was moved or removed while it was in use.",
            remedy="Put it back, or restart prreview to begin with a new one.",
        )


def refuse_network(folder: Path, mounts: Path) -> None:
    """StoreUnusable if the folder is on a file system that other machines share: the write-ahead log needs
    memory that all its processes see (https://sqlite.org/wal.html)."""
    if sys.platform != "linux":
        return
    kind = file_system(folder, mounts.read_text(encoding="utf-8", errors="surrogateescape"))
    if kind is not None and _SHARED.fullmatch(kind):
        raise StoreUnusable(
            f"The folder {folder} is on a network file system ({kind}), where a database cannot be kept safe.",
            remedy="Let queue.url name a file on a local disk.",
        )


def file_system(folder: Path, mounts: str) -> str | None:
    """The type of the file system that holds a folder, from the text of /proc/self/mounts (proc(5): octal escapes)."""
    found, depth = None, -1
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        for code, char in _ESCAPES.items():
            point = point.replace(code, char)
        if folder.is_relative_to(point) and len(Path(point).parts) >= depth:  # the later of two mounts on one point is on top
            found, depth = kind, len(Path(point).parts)
    return found
