"""What a secret's value must be, whatever keeps it."""

from __future__ import annotations

import re

from prreview_cli.core.errors import SecretUnavailable
from prreview_cli.core.profile import SecretName
from prreview_cli.secrecy import Secret

MIN_CHARACTERS = 8
MIN_WEBHOOK_BYTES = 32
MAX_CHARACTERS = 16_384

WEBHOOK_SECRETS = frozenset({SecretName.WEBHOOK_SECRET, SecretName.WEBHOOK_SECRET_PREVIOUS})
"""Chosen by us and never put into a header: these may hold inner blanks and any letters."""

_PEM = re.compile(r"-----BEGIN (RSA )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{64,}\n-----END (RSA )?PRIVATE KEY-----")


def as_secret(name: SecretName, raw: str) -> Secret:
    """The secret in what a keyring, a variable, a file or a prompt gave; one trailing newline is not part of it.

    SecretUnavailable, without a character of the value, if it is not fit to be one. A stray newline
    would end up in a header, whose library prints the whole token when it complains.
    """
    value = raw.removesuffix("\n").removesuffix("\r") if raw.endswith("\n") else raw
    if name is SecretName.APP_PRIVATE_KEY:
        value = value.replace("\r\n", "\n")
    if complaint := _complaint(name, value):
        raise SecretUnavailable(f"The value of {name} {complaint}", remedy=f"Set it anew with `prreview secret set {name}`.")
    return Secret(value)


def _complaint(name: SecretName, value: str) -> str | None:
    if not value:
        return "is empty."
    if len(value) > MAX_CHARACTERS:
        return f"is longer than {MAX_CHARACTERS} characters."
    if name is SecretName.APP_PRIVATE_KEY:
        return None if _PEM.fullmatch(value) else "is not the PEM file that the App's page gives: it begins with -----BEGIN."
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


def searched_for(name: SecretName, secret: Secret) -> Secret:
    """The part of a secret by which it is found in text, and which is hidden there: all of it; of a private key what is private.

    A key's frame stands in many a repository and its first line begins as that of every other key. The modulus comes next
    (RFC 8017, A.1.2), in the first quarter of the file: it is public, and hiding it hides nothing. The exponent and the primes follow.
    """
    if name is not SecretName.APP_PRIVATE_KEY:
        return secret
    body = "".join(line for line in secret.reveal().splitlines() if not line.startswith("-----"))
    return Secret(body[len(body) // 4 :])
