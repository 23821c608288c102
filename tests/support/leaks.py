"""Secrets, the forms in which they leak, and logs to hide them in, for the tests of `secrecy` and `audit`."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import struct
from collections.abc import Callable
from urllib.parse import quote

KEY = "sk-ant-api03-Zq7_xW2-mNb4Vc9Lk1Jh8Gf3Ds6Ap0Qw5Er7Ty2Ui4Op9AA"
BODY = KEY.removeprefix("sk-ant-api03-")
HOOK = 'It\'s <a> "secret"/to & no one \\ é ünd 100% ✓ long'

ENCODED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "json, unicode kept": lambda value: json.dumps(value, ensure_ascii=False),
    "json with slashes": lambda value: json.dumps(value).replace("/", "\\/"),
    "json for html": lambda value: re.sub("[<>&]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value)),
    "json, every letter": lambda value: "".join(f"\\u{unit:04x}" for (unit,) in struct.iter_unpack(">H", value.encode("utf-16-be"))),
    "json twice": lambda value: json.dumps(json.dumps(value)),
    "python": lambda value: repr({"key": value}),
    "shell": shlex.quote,
    "backslashes": lambda value: re.sub(r"([^\w\u0080-\U0010ffff])", r"\\\1", value),
    "url": lambda value: quote(value, safe=""),
    "url, a path": quote,
    "url, lower case": lambda value: "".join(c if quote(c, safe="") == c else quote(c, safe="").lower() for c in value),
    "url, every letter": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "html": html.escape,
    "html, numbers": lambda value: html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "hex": lambda value: value.encode().hex(),
    "hex, upper case": lambda value: value.encode().hex().upper(),
    "node's buffer": lambda value: f"<Buffer {value.encode().hex(' ')}>",
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64, one later": lambda value: base64.b64encode(b"x" + value.encode() + b"tail").decode(),
    "base64, two later": lambda value: base64.b64encode(b"u:" + value.encode() + b"t").decode(),
    "base64url": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "base64 twice": lambda value: base64.b64encode(base64.b64encode(b"k=" + value.encode())).decode(),
    "base64, wrapped": lambda value: base64.encodebytes(b"some words before, to fill a line of it " + value.encode() * 2).decode(),
}

TOKENS = {
    "anthropic-key": "sk-ant-api03-" + "a1B2c3D4_-" * 9 + "xyzAA",
    "github-token": "ghp_" + "a1B2c3D4e5F6" * 3,
    "github-app-token": "ghs_1234567_eyJhbGciOi.eyJpc3MiOi-x.c2ln_bmF0dXJl",
    "github-fine-grained-token": "github_pat_11ABCDEFG0aB3dE5fG7hI9_" + "jK1lM3nO5pQ7rS9tU1v" * 3 + "ab",
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEAx7Rk2vQ9\n" * 4 + "-----END RSA PRIVATE KEY-----",
    "aws-access-key": "AKIA" + "Q3EGUXN5ZLRT7W2K",
    "slack-token": "xoxb-" + "123456789012-" + "1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
    "slack-webhook": "https://hooks.slack.com/services/" + "T01ABCDEF/B02GHIJKL/a1B2c3D4e5F6g7H8i9J0k1L2",
}


def log_lines(count: int) -> str:
    """Clean lines as a busy service writes them, with ids, hashes and addresses, and no secret."""
    return "".join(
        json.dumps(
            {
                "time": f"2026-11-24T09:{number // 60 % 60:02d}:{number % 60:02d}.000Z",
                "level": "info",
                "event": "review_posted",
                "job": f"{number * 2654435761 % 2**128:032x}",
                "head": f"{number * 40503**9 % 2**160:040x}",
                "url": f"https://github.com/octo/shop/pull/{number}?token=%3D&key=ghp_&sk-ant-",
            }
        )
        + "\n"
        for number in range(count)
    )
