"""Which files prreview believes: those that only this user and root can change or replace.

Whoever can write a folder can replace what is in it, so each folder on the way counts, links
followed. In a sticky folder (/tmp) others can add but not replace, so it passes; what is taken out
of it must be our own or root's. A mounted ConfigMap, all links, passes when its folders do.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from prreview_cli.core.errors import ProfileError

_MAX_LINKS = 40  # as the kernel allows
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def read_trusted(path: Path, limit: int, *, secret: bool = False) -> bytes:
    """The content of a file of at most `limit` bytes that nobody but this user and root could have written.

    `secret`: nor may others read it, unless root laid it down so, as Kubernetes, Docker and systemd
    do with the secrets they mount. ProfileError names the first thing that is wrong; OSError if the
    file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe must not make us wait
    try:
        _check_opened(path, os.fstat(descriptor), secret=secret)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise ProfileError(f"{path} is larger than {limit} bytes.", remedy="See that it is the file you mean.")
    return content


def _check_opened(path: Path, opened: os.stat_result, *, secret: bool) -> None:
    if not stat.S_ISREG(opened.st_mode):
        raise ProfileError(f"{path} is not a regular file.", remedy="Name a file.")
    _check_writers(path, opened)
    if secret and opened.st_uid != 0 and stat.S_IMODE(opened.st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        raise ProfileError(f"{path} holds a secret and can be read by other users.", remedy=f"Run `chmod 600 {path}`.")
    found = check_way(path)
    if (found.st_dev, found.st_ino) != (opened.st_dev, opened.st_ino):
        raise ProfileError(f"{path} was replaced while it was read.", remedy="Find out by whom, then try again.")


def check_way(path: Path) -> os.stat_result:
    """Refuse a path that others could lead elsewhere; the status of what it leads to.

    ProfileError names the folder or link that is not safe; OSError if something is not there.
    """
    end = Path("/")
    for step in _steps(path):
        status = os.lstat(step)
        if stat.S_ISLNK(status.st_mode):
            _check_owner(step, status)
        elif stat.S_ISDIR(status.st_mode):
            _check_writers(step, status)
        end = step
    return os.lstat(end)


def _steps(path: Path) -> Iterator[Path]:
    """Everything the kernel passes on the way to `path`: each folder, each link and the end itself."""
    todo = list(reversed(path.absolute().parts[1:]))
    here, links = Path("/"), 0
    yield here
    while todo:
        part = todo.pop()
        here = here.parent if part == ".." else here / part
        yield here
        if not here.is_symlink():
            continue
        links += 1
        if links > _MAX_LINKS:
            raise ProfileError(f"{path} leads through too many links.", remedy="Name the file itself.")
        target = here.readlink()
        here = Path("/") if target.is_absolute() else here.parent
        todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in {0, os.geteuid()}:
        raise ProfileError(f"{path} belongs to another user.", remedy="Use a file and folders that belong to you or to root.")


def _check_writers(path: Path, status: os.stat_result) -> None:
    """Refuse what others can write, or could make writable because it is theirs."""
    _check_owner(path, status)
    sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    if stat.S_IMODE(status.st_mode) & _WRITABLE_BY_OTHERS and not sticky:
        raise ProfileError(f"{path} can be written by other users.", remedy=f"Run `chmod go-w {path}`.")
