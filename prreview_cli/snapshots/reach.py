"""The files that a git child reaches: git itself, what https asks for, and one repository."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from prreview_cli.sandbox import Confinement, environment

_HELPERS = ("lib/git-core", "libexec/git-core")
_LIBRARIES = ("lib", "lib64")
_NAMES_AND_CERTIFICATES = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services"),
    *("/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/gnutls", "/etc/crypto-policies"),
    *("/etc/pki/tls/certs", "/etc/pki/tls/cert.pem", "/etc/pki/ca-trust", "/etc/ca-certificates", "/usr/share/ca-certificates"),
)
"""Not /etc/ssl and /etc/pki as a whole: servers keep their private keys there."""
_OTHERS = ("/etc/passwd", "/sys/devices/system/cpu")  # who it runs as, and on how many processors
_REFUSER = "/bin/false"  # what git asks for a password


def confinement(folder: Path, *, reads: Iterable[Path] = (), writable: bool, tcp: bool) -> Confinement:
    """What git may do that works on the repository in `folder`, with `reads` beside it; `tcp`: it may connect, as a fetch does."""
    git = shutil.which("git", path=environment()["PATH"])
    prefix = Path(git or "/usr/bin/git").resolve().parent.parent
    helpers = [prefix / name for name in _HELPERS]
    beside = [prefix / name for name in _LIBRARIES]
    known = [Path(path) for path in (*_OTHERS, *(_NAMES_AND_CERTIFICATES if tcp else ()))]
    own = (folder,)
    return Confinement(
        read=tuple(path for path in (*beside, *known, *reads, *(() if writable else own)) if path.exists()),
        write=own if writable else (),
        execute=tuple(path for path in (*helpers, Path(_REFUSER)) if path.exists()),
        tcp=tcp,
    )
