"""How a launcher hands over the door of its child's network: a listening socket that was made there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_A_WORD = 16


class Handover:
    """The place `path`, in a private folder, to which a launcher sends one listening socket before it starts the child."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mailbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        bind(self._mailbox, path)

    def take(self) -> socket.socket:
        """The door, with what knocks at it waiting; OSError if nothing was sent. It is there as soon as the child runs."""
        _, sent, _, _ = socket.recv_fds(self._mailbox, _A_WORD, 1, socket.MSG_CMSG_CLOEXEC)
        if not sent:
            raise OSError("The launcher sent no socket.")
        door = socket.socket(fileno=sent[0])
        door.setblocking(False)
        return door

    def close(self) -> None:
        """Take nothing any more."""
        self._mailbox.close()


def bind(unbound: socket.socket, path: Path) -> None:
    """Bind a unix socket, however long its path is: an address has room for 107 bytes, so it names the folder's descriptor."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        unbound.bind(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)
