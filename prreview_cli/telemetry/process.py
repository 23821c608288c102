"""What a process that holds secrets does to itself first."""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def harden_process() -> None:
    """No core dump, and (on Linux) no debugger and no reader of /proc/PID/environ or /proc/PID/mem under our own uid.

    A child is dumpable again once it has called exec: each process of ours that holds a secret calls this
    itself. /proc/self then belongs to root, so an unprivileged process that wants to write its own uid_map
    (a user namespace) must do so from a child that has called exec.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
