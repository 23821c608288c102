"""The last program of ours that a child passes through: it gives rights away, then becomes the child.

Run as `python -I -S launcher.py FIELD… -- ARGUMENT…` on its own, outside the package: it imports
next to nothing, because every child pays for its start (about 15 ms). A field is `verb=value`; the
field `order=FILE` stands for those in the file, NUL-terminated, where they are not seen in `ps`.
What cannot be done ends the child (status 126): it never starts with more rights than it was ordered.

    parent=PID          end with this parent
    program=PATH        what to become; name=ARGV0 as what
    env=NAME=VALUE      its environment, which starts empty; keep=NAME takes one over, inherit=all takes all
    execute= read= write=PATH   the files it reaches
    layer=files         it reaches no others (Landlock); tcp=no: nor another machine
    layer=network       it has a network and a root of its own (enclosure.py): root=FOLDER is empty, to build that on;
                        port=N is listened on there, and the socket sent to handover=PATH
    file_size= open_files= memory=N     its limits; memory is what it may ask for, not what it maps of files
    report=PATH         a new file for its process id
    try=PATH            instead of a program: see that the files layer works, PATH being out of reach
    knock=ADDRESS       instead of a program: open whatever of these can be opened; see `enclosure.knock`

Landlock: `linux/landlock.h` and the kernel's `Documentation/userspace-api/landlock.rst`.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # it costs its import in every child

CANNOT_START = 126

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SIGKILL = 9
# The three system calls have these numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_RULE_PATH_BENEATH = 1
_ASK_VERSION = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_ALL_OF_ABI_1 = (1 << 13) - 1
_ADDED_BY_ABI = {2: 1 << 13, 3: _TRUNCATE, 5: _IOCTL_DEV}
_TCP_FROM_ABI, _SCOPED_FROM_ABI = 4, 6
_TCP = 3  # to bind and to connect
_SCOPES = 3  # no abstract unix socket and no signal reaches who is not confined alike

RIGHTS = {"execute": _EXECUTE | _READ_FILE, "read": _READ_FILE | _READ_DIR, "write": ~_EXECUTE}
"""What the verbs of an order allow beneath their path."""

_libc = ctypes.CDLL(None, use_errno=True)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def landlock_abi() -> int:
    """The kernel's version of Landlock; 0 where there is none, or where it is switched off."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))))


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def no_new_privileges() -> None:
    """No set-uid program raises this process again; Landlock asks for it."""
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def confine(rules: list[tuple[str, str]], *, tcp: bool = True) -> None:
    """From here on this process reaches the files beneath the rules' paths and no others. Without `tcp` it opens no TCP
    connection either, as far as the kernel can see to that. OSError if it cannot be."""
    abi = landlock_abi()
    handled = _ALL_OF_ABI_1
    for version, right in _ADDED_BY_ABI.items():
        handled |= right if abi >= version else 0
    attributes = (ctypes.c_uint64 * 3)(handled, 0 if tcp else _TCP, _SCOPES)
    size = ctypes.c_size_t(24 if abi >= _SCOPED_FROM_ABI else 16 if abi >= _TCP_FROM_ABI else 8)
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), size, ctypes.c_uint32(0)))
    for verb, path in rules:
        _allow(ruleset, path, RIGHTS[verb] & handled)
    _checked(_libc.syscall(_RESTRICT_SELF, ruleset, ctypes.c_uint32(0)))
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(path):  # noqa: PTH112 - pathlib costs its import in every child
            rights &= _OF_A_FILE
        rule = _PathBeneath(rights, fd)
        _checked(_libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0)))
    finally:
        os.close(fd)


def die_with(parent: int) -> None:
    """Be killed when the thread that started us ends; exit at once if `parent` has ended already."""
    if sys.platform == "linux":
        _checked(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0))
    if os.getppid() != parent:
        os._exit(CANNOT_START)


def _limit(which: int, most: int) -> None:
    _, hard = resource.getrlimit(which)
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (bound, bound))


def _begin(one: dict[str, str]) -> None:
    """Be findable before anything is read: who removes the order and finds no process id has prevented the start."""
    die_with(int(one["parent"]))
    if os.getpgrp() != os.getpid():
        os.setsid()
    os.umask(0o077)
    os.closerange(3, 1 << 16)
    if "report" in one:
        report = os.open(one["report"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.write(report, str(os.getpid()).encode())
        os.close(report)


def _become(fields: list[tuple[str, str]], arguments: list[str]) -> None:
    one = dict(fields)
    _limit(resource.RLIMIT_CORE, 0)
    if "file_size" in one:
        _limit(resource.RLIMIT_FSIZE, int(one["file_size"]))
    if "open_files" in one:
        _limit(resource.RLIMIT_NOFILE, int(one["open_files"]))
    if "memory" in one:
        _limit(resource.RLIMIT_DATA, int(one["memory"]))
    kept = os.environ if "inherit" in one else {value for verb, value in fields if verb == "keep"}
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    environment |= {value.partition("=")[0]: value.partition("=")[2] for verb, value in fields if verb == "env"}
    layers = {value for verb, value in fields if verb == "layer"}
    rules = [(verb, path) for verb, path in fields if verb in RIGHTS]
    no_new_privileges()
    if "network" in layers:
        _enclosure().enter(rules, root=one["root"], port=int(one["port"]), handover=one["handover"])
    if "files" in layers:
        confine(rules, tcp=one.get("tcp") != "no")
    if "try" in one:
        _try_it(one["read"], one["try"])
    if "knock" in one:
        _enclosure().knock([value for verb, value in fields if verb == "knock"])
    die_with(int(one["parent"]))  # once more: credentials have changed, which takes the signal away in some cases
    os.execve(one["program"], [one.get("name", one["program"]), *arguments], environment)  # noqa: S606 - this is what a launcher is for


def _enclosure() -> Any:
    """The file beside this one: isolated, Python looks for nothing there."""
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - as below
    return __import__("enclosure")


def _try_it(within: str, beyond: str) -> None:
    """End with 0 if a file within reach can be opened, and one beyond can neither be read nor made."""
    os.close(os.open(within, os.O_RDONLY))
    for path, flags in ((beyond, os.O_RDONLY), (beyond + ".new", os.O_WRONLY | os.O_CREAT)):
        try:
            os.close(os.open(path, flags, 0o600))
        except PermissionError:
            continue
        os._exit(1)
    os._exit(0)


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    return [(verb, value) for verb, _, value in (word.partition("=") for word in words)]


def _ordered(path: str) -> list[tuple[str, str]]:
    with open(path, "rb") as order:  # noqa: PTH123 - pathlib costs its import in every child
        return _pairs(order.read().decode(errors="surrogateescape").split("\0")[:-1])


def main() -> None:
    """Read the fields and obey them."""
    words = sys.argv[1:]
    try:
        end = words.index("--")
        fields = _pairs(words[:end])
        _begin(dict(fields))
        more = [field for verb, path in fields if verb == "order" for field in _ordered(path)]
        _become(fields + more, words[end + 1 :])
    except (OSError, KeyError, ValueError) as error:
        os.write(2, f"prreview launcher: the child was not started: {error}\n".encode(errors="replace"))
        os._exit(CANNOT_START)


if __name__ == "__main__":
    main()
