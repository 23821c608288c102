"""What a secret's value must be, whatever keeps it."""

from __future__ import annotations

from prreview_cli.core.errors import SecretUnavailable
from prreview_cli.core.profile import SecretName
from prreview_cli.secrecy import Secret

MIN_CHARACTERS = 8
MIN_WEBHOOK_BYTES = 32
MAX_CHARACTERS = 16_384

WEBHOOK_SECRETS = frozenset({SecretName.WEBHOOK_SECRET, SecretName.WEBHOOK_SECRET_PREVIOUS})
"""Chosen by us and never put into a header: these may hold inner blanks and any letters."""


def as_secret(name: SecretName, raw: str) -> Secret:
    """The secret in what a keyring, a variable, a file or a prompt gave; one trailing newline is not part of it.

    SecretUnavailable, without a character of the value, if it is not fit to be one. A stray newline
    would end up in a header, whose library prints the whole token when it complains.
    """
    value = raw.removesuffix("\n").removesuffix("\r") if raw.endswith("\n") else raw
    if complaint := _complaint(name, value):
        raise SecretUnavailable(f"The value of {name} {complaint}", remedy=f"Set it anew with `prreview secret set {name}`.")
    return Secret(value)


def _complaint(name: SecretName, value: str) -> str | None:
    if not value:
        return "is empty."
    if len(value) > MAX_CHARACTERS:
        return f"is longer than {MAX_CHARACTERS} characters."
    if value != value.strip():
        return "begins or ends with a blank or a line break."
    if not value.isprintable():
        return "holds a line break or another control character."
    if name in WEBHOOK_SECRETS:
        short = len(value.encode()) < MIN_WEBHOOK_BYTES
        return f"is shorter than {MIN_WEBHOOK_BYTES} bytes; make one with `openssl rand -hex 32`." if short else None
    if not value.isascii() or " " in value:
        return "holds a blank or a letter that no such key has."
    return f"is shorter than {MIN_CHARACTERS} characters." if len(value) < MIN_CHARACTERS else None
