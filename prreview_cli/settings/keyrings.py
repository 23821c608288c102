"""The keyring, and which back ends are one.

`keyring` falls back without a word to whatever is installed, down to a file in plain text or to
nothing at all. So the back ends that do keep a secret are named here. Another is used only where
`PYTHON_KEYRING_BACKEND` names it, and those that are known to keep nothing are never used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prreview_cli.core.errors import SecretUnavailable

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

_KEEPS = (
    "keyring.backends.SecretService",
    "keyring.backends.libsecret",
    "keyring.backends.kwallet",
    "keyring.backends.macOS",
    "keyring.backends.Windows",
)
_KEEPS_NOTHING = ("keyring.backends.fail", "keyring.backends.null", "keyrings.alt", "keyrings.cryptfile")

HEADLESS = (
    "On a machine without a desktop either unlock one (`apt install gnome-keyring dbus`, then start prreview under "
    "`dbus-run-session` after `gnome-keyring-daemon --unlock`), or refer to file:/run/credentials/UNIT/NAME with systemd's "
    "LoadCredential, or to env:NAME."
)


def service_name(environment: str) -> str:
    """Under which service a profile's secrets stand in the keyring."""
    return f"prreview/{environment}"


def open_keyring() -> KeyringBackend:
    """A back end that keeps secrets; SecretUnavailable, with what to do, if this machine has none."""
    import keyring  # noqa: PLC0415 - slow to import, and not wanted without a keyring: reference

    chosen = keyring.get_keyring()
    for backend in _candidates(chosen):
        if _named(backend).startswith(_KEEPS) or _is_said(backend):
            return backend
    raise SecretUnavailable(f"There is no usable keyring here: {_why_not(chosen)}", remedy=HEADLESS)


def _candidates(backend: KeyringBackend) -> Iterator[KeyringBackend]:
    """The back end itself, or, of a chain, its links, best first: a chain would also write to the unsafe ones."""
    if _named(backend).startswith("keyring.backends.chainer"):
        yield from backend.backends  # type: ignore[attr-defined]
    else:
        yield backend


def _is_said(backend: KeyringBackend) -> bool:
    return os.environ.get("PYTHON_KEYRING_BACKEND") == _named(backend) and not _named(backend).startswith(_KEEPS_NOTHING)


def _named(backend: KeyringBackend) -> str:
    cls = type(backend)
    return f"{cls.__module__}.{cls.__qualname__}"


def _why_not(backend: KeyringBackend) -> str:
    name = _named(backend)
    if name.startswith(("keyring.backends.fail", "keyring.backends.chainer")):
        return "no back end that keeps a secret is running."
    if name.startswith(_KEEPS_NOTHING):
        return f"the back end that would be used, {name}, keeps secrets in the open or not at all."
    return f"the back end that would be used, {name}, is not one that prreview knows; name it in PYTHON_KEYRING_BACKEND if you trust it."
