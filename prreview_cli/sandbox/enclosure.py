"""A network and a root of its own for the child: namespaces that hold what was named, and one way out, a listening socket.

The launcher loads this file by itself, isolated and outside the package, so it imports next to nothing as well.

The socket listens on the child's own loopback, and is handed to who serves it: it stays in the network that it
was made in, wherever it is accepted from. So no byte is copied, no process stands between, and no path leads out.

Sources: namespaces(7), user_namespaces(7), pivot_root(2), mount_setattr(2), unix(7) on SCM_RIGHTS, seccomp(2).
"""

from __future__ import annotations

import _socket  # `socket` takes 15 ms to import, this one less than one
import ctypes
import fcntl
import os
import struct
import sys

_NEWNS, _NEWUSER, _NEWNET = 0x0002_0000, 0x1000_0000, 0x4000_0000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 1 << 12, 1 << 14, 1 << 19
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID = 1, 2
_MOUNT_SETATTR = 442  # on every architecture

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_SCM_RIGHTS = 1
_BACKLOG = 16

_PR_CAPBSET_DROP, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 24, 22, 2
_LD, _JEQ, _JGT, _JGE, _RET = 0x20, 0x15, 0x25, 0x35, 0x06  # words of classic BPF, see linux/bpf_common.h
_NR, _ARCH, _ARGUMENT_0 = 0, 4, 16  # places in struct seccomp_data, little-endian
_ALLOW, _KILL, _EPERM, _ENOSYS = 0x7FFF_0000, 0x8000_0000, 0x0005_0001, 0x0005_0026
_X32 = 0x4000_0000
_IO_URING_SETUP = 425
_MACHINES = {"x86_64": (0xC000_003E, 41, 155), "aarch64": (0xC000_00B7, 198, 41)}
"""For each machine: how seccomp names it, and the numbers of socket(2) and pivot_root(2)."""

_SHARED = {"x86_64": ((29, 31), (64, 71), (220, 220), (240, 245), (248, 250)), "aarch64": ((180, 197), (217, 219))}
"""The first and last numbers of the calls for what the processes of one user share without a file or a socket: shared
memory, semaphores and queues (sysvipc(7), mq_overview(7)), and the session's keys (keyrings(7)), handed down as they are."""

_SESSION_KEYRING, _SHM_INFO = -3, 14

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10

_libc = ctypes.CDLL(None, use_errno=True)


def enter(reach: list[tuple[str, str]], *, root: str, port: int, handover: str) -> None:
    """Go into a network with nothing but a loopback, and into a root with nothing but these paths, under their own
    names. `root` is an empty folder to build it on. A socket that listens on `port` there is sent to `handover`.

    For good: no capability is left. Call it after `no_new_privileges`. OSError if it cannot be.
    """
    here, user, group = os.getcwd(), os.geteuid(), os.getegid()  # noqa: PTH109 - pathlib costs its import in every child
    kind = os.uname().machine
    if kind not in _MACHINES or sys.maxsize < 1 << 32:
        raise OSError(f"the system calls of {kind} are not known here")
    machine = _MACHINES[kind]
    _checked(_libc.unshare(_NEWUSER | _NEWNS | _NEWNET), "no namespaces of its own")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")
    _hand_over(_listening(port), handover)
    _build(root, reach)
    _move_into(root, here, machine[2])
    _drop_capabilities()
    _refuse_other_ways(machine[0], machine[1], _SHARED[kind])


def _checked(result: int, told: str) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{told}: {os.strerror(ctypes.get_errno())}")


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text.encode())
    os.close(fd)


# -- the network ------------------------------------------------------------------------------------


def _listening(port: int) -> _socket.socket:
    """The loopback of a new network is down at first."""
    door = _socket.socket(_AF_INET, _socket.SOCK_STREAM)
    flags = struct.unpack_from("16xh", fcntl.ioctl(door.fileno(), _SIOCGIFFLAGS, struct.pack("16s24x", b"lo")))[0]
    fcntl.ioctl(door.fileno(), _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))
    door.bind(("127.0.0.1", port))
    door.listen(_BACKLOG)
    return door


def _hand_over(door: _socket.socket, path: str) -> None:
    messenger = _socket.socket(_AF_UNIX, _socket.SOCK_DGRAM)
    _connect(messenger, path)
    messenger.sendmsg([b"door"], [(_socket.SOL_SOCKET, _SCM_RIGHTS, struct.pack("i", door.fileno()))])
    messenger.close()
    door.close()


def _connect(messenger: _socket.socket, path: str) -> None:
    folder, name = os.path.split(path)
    fd = os.open(folder, os.O_PATH)  # the folder by its descriptor: an address has room for 107 bytes
    try:
        messenger.connect(f"/proc/self/fd/{fd}/{name}")
    finally:
        os.close(fd)


# -- the root ---------------------------------------------------------------------------------------


def _build(root: str, reach: list[tuple[str, str]]) -> None:
    _checked(_libc.mount(None, b"/", None, _MS_REC | _MS_SLAVE, None), "the mounts stay shared")
    options = b"mode=0755,size=1m"
    _checked(_libc.mount(b"prreview", os.fsencode(root), b"tmpfs", _MS_NOSUID | _MS_NODEV, options), "no root of its own")
    # /proc, since programs look for themselves in it. It shows no more than the files layer lets through, and without
    # that layer nothing of processes outside: they belong to another user namespace.
    read_only = [path for verb, path in reach if verb != "write"] + ["/proc"]
    for path in sorted({path for _, path in reach} | {"/proc"}):  # a folder before what is in it
        _bind(path, root + path, read_only=path in read_only)
    _read_only(root)


def _bind(path: str, place: str, *, read_only: bool) -> None:
    folder = os.path.isdir(path)  # noqa: PTH112 - as above
    os.makedirs(place if folder else os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120 - as above
    if not folder and not os.path.exists(place):  # noqa: PTH110 - as above
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
    _checked(_libc.mount(os.fsencode(path), os.fsencode(place), None, _MS_BIND | _MS_REC, None), f"{path} cannot be shown")
    if read_only:
        _read_only(place, _AT_RECURSIVE)


def _read_only(place: str, flags: int = 0) -> None:
    wanted = struct.pack("=4Q", _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID, 0, 0, 0)
    arguments = (_AT_FDCWD, os.fsencode(place), ctypes.c_uint(flags), wanted, ctypes.c_size_t(len(wanted)))
    _checked(_libc.syscall(_MOUNT_SETATTR, *arguments), f"{place} stays writable")


def _move_into(root: str, here: str, pivot_root: int) -> None:
    """The old root comes to lie on the new one, and is taken off: pivot_root(2) describes it."""
    os.chdir(root)
    _checked(_libc.syscall(pivot_root, b".", b"."), "the old root stays")
    _checked(_libc.umount2(b".", _MNT_DETACH), "the old root stays")
    os.chdir(here if os.path.isdir(here) else "/")  # noqa: PTH112 - as above


# -- what is left -----------------------------------------------------------------------------------


def _drop_capabilities() -> None:
    """A program that is started by root has all capabilities of its namespace that this set still holds: none."""
    capability = 0
    while _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    if capability == 0:
        _checked(-1, "the capabilities stay")


def _refuse_other_ways(machine: int, socket: int, shared: tuple[tuple[int, int], ...]) -> None:
    """Not every family of sockets has namespaces: a virtual machine's way to its host (AF_VSOCK) has none. So there are
    sockets of IP and unix alone, and no io_uring, which would open sockets past this filter. Nor may the calls be made
    whose numbers are `shared`: a namespace would hold all but the keys, and units and containers would have to allow it."""
    families = (_AF_UNIX, _AF_INET, _AF_INET6)
    program = [
        *(_word(_LD, _ARCH), _word(_JEQ, machine, 1, 0), _word(_RET, _KILL)),
        *(_word(_LD, _NR), _word(_JGE, _X32, 0, 1), _word(_RET, _EPERM)),
        *(_word(_JEQ, _IO_URING_SETUP, 0, 1), _word(_RET, _ENOSYS)),
        *(word for first, last in shared for word in (_word(_JGE, first, 0, 2), _word(_JGT, last, 1, 0), _word(_RET, _EPERM))),
        *(_word(_JEQ, socket, 1, 0), _word(_RET, _ALLOW)),
        _word(_LD, _ARGUMENT_0),
        *(_word(_JEQ, family, len(families) - number, 0) for number, family in enumerate(families)),
        *(_word(_RET, _EPERM), _word(_RET, _ALLOW)),
    ]
    words = b"".join(program)
    held = ctypes.create_string_buffer(words, len(words))
    filter_ = struct.pack("@HP", len(program), ctypes.addressof(held))
    _checked(_libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, filter_, 0, 0), "no filter on its sockets")


def _word(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


# -- a trial of it ----------------------------------------------------------------------------------


def knock(addresses: list[str]) -> None:
    """Try each, write to standard output those that opened, and end. `tcp:PORT` and `udp:PORT` of 127.0.0.1,
    `unix:PATH`, `abstract:NAME`, `family:NUMBER.KIND` of sockets, `file:PATH`; `keys:` of the session, shared `memory:`."""
    for address in addresses:
        kind, _, place = address.partition(":")
        try:
            _try(kind, place)
        except OSError:
            continue
        os.write(1, address.encode(errors="surrogateescape") + b"\n")
    os._exit(0)


def _try(kind: str, place: str) -> None:
    if kind == "file":
        os.close(os.open(place, os.O_RDONLY))
        return
    if kind == "family":
        number, _, sort = place.partition(".")
        _socket.socket(int(number), int(sort)).close()
        return
    if kind in {"keys", "memory"}:
        _ask(kind)
        return
    internet = kind in {"tcp", "udp"}
    tried = _socket.socket(_AF_INET if internet else _AF_UNIX, _socket.SOCK_DGRAM if kind == "udp" else _socket.SOCK_STREAM)
    tried.settimeout(2.0)
    if kind == "unix":
        _connect(tried, place)
    else:
        tried.connect(("127.0.0.1", int(place)) if internet else "\0" + place)
    tried.send(b"knock")
    if kind == "udp":
        try:  # noqa: SIM105 - contextlib costs its import
            tried.recv(1)  # that nobody listens is told later, by an answer; whoever listens does not answer a knock
        except TimeoutError:
            pass
    tried.close()


def _ask(kind: str) -> None:
    """What the kernel tells whoever may ask at all: KEYCTL_GET_KEYRING_ID and SHM_INFO."""
    if kind == "keys":
        number = _SHARED[os.uname().machine][-1][1]
        _checked(_libc.syscall(number, ctypes.c_long(0), ctypes.c_long(_SESSION_KEYRING), ctypes.c_long(0)), "no keys")
    else:
        _checked(_libc.shmctl(0, _SHM_INFO, ctypes.create_string_buffer(256)), "no shared memory")
