"""References to secrets, as they stand in profiles: where a value is, never the value."""

from __future__ import annotations

import re

from prreview_cli.core.profile import SecretName, SecretRef, SecretScheme
from prreview_cli.secrecy import looks_like_token

_LOCATIONS = {
    SecretScheme.KEYRING: re.compile(r"[A-Za-z0-9_.-]{1,100}"),
    SecretScheme.ENV: re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}"),
    SecretScheme.FILE: re.compile(r"/[^\0\n\r]{1,4095}"),
}


def parse_reference(text: str) -> SecretRef | None:
    """The reference that `text` is; None if it is none, and may be a pasted value: never repeat it."""
    scheme, _, location = text.partition(":")
    if scheme not in list(SecretScheme) or looks_like_token(location):
        return None
    if not _LOCATIONS[SecretScheme(scheme)].fullmatch(location):
        return None
    return SecretRef(SecretScheme(scheme), location)


def not_a_reference(name: SecretName) -> str:
    """What to say of a text that is no reference, without the text."""
    return (
        "is not a reference (keyring:NAME, env:NAME or file:/absolute/path) and looks like a secret's value. "
        f"Take it out of the file, write keyring:{name} here, and put the value into the keyring with `prreview secret set {name}`."
    )
