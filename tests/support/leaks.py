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
    "json, every letter, upper case": lambda value: "".join(
        f"\\u{unit:04X}" for (unit,) in struct.iter_unpack(">H", value.encode("utf-16-be"))
    ),
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
    "hex, spaced, upper case": lambda value: value.encode().hex(" ").upper(),
    "hex, colons": lambda value: value.encode().hex(":"),
    "hex, colons, upper case": lambda value: value.encode().hex(":").upper(),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64, one later": lambda value: base64.b64encode(b"x" + value.encode() + b"tail").decode(),
    "base64, two later": lambda value: base64.b64encode(b"u:" + value.encode() + b"t").decode(),
    "base64url": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "base64 twice": lambda value: base64.b64encode(base64.b64encode(b"k=" + value.encode())).decode(),
    "base64, wrapped": lambda value: base64.encodebytes(b"some words before, to fill a line of it " + value.encode() * 2).decode(),
}

HEX = "9f3a71c05be2d846a1f7e0c93b5d82647c1e9af0d358b62471ce09fbd5a83e62"
MIXED = "q7Rk2vX9mB4tZ8wL1nC6yH3sD5fG0jPaEuTiOxMeVbKrNzQhWc"  # letters and digits, each token's own part of it

TOKENS = {
    "anthropic-key": "sk-ant-api03-" + "a1B2c3D4_-" * 9 + "xyzAA",
    "github-token": "ghp_" + "a1B2c3D4e5F6" * 3,
    "github-app-token": "ghs_1234567_eyJhbGciOi.eyJpc3MiOi-x.c2ln_bmF0dXJl",
    "github-fine-grained-token": "github_pat_11ABCDEFG0aB3dE5fG7hI9_" + "jK1lM3nO5pQ7rS9tU1v" * 3 + "ab",
    "private-key": "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEAx7Rk2vQ9\n" * 4 + "-----END RSA PRIVATE KEY-----",
    "aws-access-key": "AKIA" + "Q3EGUXN5ZLRT7W2K",
    "slack-token": "xoxb-" + "123456789012-" + "1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
    "slack-webhook": "https://hooks.slack.com/services/" + "T01ABCDEF/B02GHIJKL/a1B2c3D4e5F6g7H8i9J0k1L2",
    "slack-app-token": "xapp-" + "1-A01BCDEF2GH-1234567890123-" + HEX[:64],
    "gitlab-token": "glpat-" + MIXED[:20],
    "age-key": "AGE-SECRET-" + "KEY-1" + "QZ3R9PX8GY7F2VT5DW0SJ4N6HK8CE3UA7L" + "QPZRY9X8GF2TVDW0S3JN5ACE",
    "aws-secret-key": "aws_secret_access_key" + " = kD9/3jLq+Xv7Zt2RnWb5YcHs8MfGp1QaUe4ToI6x",
    "azure-storage-key": "AccountKey=" + (MIXED + MIXED[::-1])[:86] + "==",
    "google-api-key": "AIza" + MIXED[:35],
    "google-oauth": "GOCSPX-" + MIXED[:28],
    "digitalocean-token": "dop_v1_" + HEX[:64],
    "docker-token": "dckr_pat_" + MIXED[:27],
    "npm-token": "npm_" + MIXED[:36],
    "pypi-token": "pypi-AgEIcHlwaS5vcmc" + MIXED * 2,
    "rubygems-key": "rubygems_" + HEX[:48],
    "huggingface-token": "hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNmqWeRtYuI",
    "openai-key": "sk-proj-" + MIXED,
    "discord-webhook": "https://discord.com/api/webhooks/" + "123456789012345678/" + (MIXED + MIXED)[:68],
    "stripe-key": "sk_live_" + MIXED[:24],
    "stripe-webhook-secret": "whsec_" + MIXED[:32],
    "sendgrid-key": "SG." + MIXED[:22] + "." + (MIXED[::-1])[:43],
    "vault-token": "hvs." + (MIXED + MIXED)[:95],
    "terraform-token": MIXED[:14] + ".atlasv1." + (MIXED + MIXED)[:67],
    "grafana-token": "glsa_" + MIXED[:32] + "_1f2e3d4c",
    "databricks-token": "dapi" + HEX[:32],
    "atlassian-token": "ATATT3" + (MIXED * 4)[:186],
    "sentry-token": "sntryu_" + HEX[:64],
    "shopify-token": "shpat_" + HEX[:32],
    "linear-key": "lin_api_" + MIXED[:40],
    "notion-token": "ntn_" + "31415926535" + MIXED[:35],
    "postman-key": "PMAK-" + HEX[:24] + "-" + HEX[:34],
    "new-relic-key": "NRAK-" + MIXED.upper()[:27],
    "square-secret": "sq0csp-" + MIXED[:43],
    "doppler-token": "dp.pt." + MIXED[:43],
    "planetscale-token": "pscale_tkn_" + MIXED[:43],
    "pulumi-token": "pul-" + HEX[:40],
    "figma-token": "figd_" + MIXED[:40],
    "supabase-token": "sbp_" + HEX[:40],
    "groq-key": "gsk_" + (MIXED + MIXED)[:52],
    "replicate-token": "r8_" + MIXED[:37],
    "perplexity-key": "pplx-" + MIXED[:48],
    "tailscale-key": "tskey-auth-" + MIXED[:12] + "CNTRL-" + MIXED[:32],
    "circleci-token": "CCIPAT_" + MIXED[:22] + "_" + HEX[:40],
    "dynatrace-token": "dt0c01." + "ST2EY72KQINMH574WMNVI7YN" + "." + "G3DFPBEJYMODIDAEX454M7YWBUVEFOWKPRVMWFASS64NFH52PX6BNDVFFM572RZM",
    "brevo-key": "xkeysib-" + HEX[:64] + "-" + MIXED[:16],
    "telegram-token": "1234567890" + ":AA" + MIXED[:33],
    "json-web-token": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTYifQ." + MIXED[:43],
}

OTHER_TOKENS = {
    "openai-key": "sk-" + MIXED[:20] + "T3BlbkFJ" + MIXED[20:40],
    "google-oauth": "ya29." + MIXED * 2,
    "gitlab-token": "glcbt-64_" + MIXED[:20],
    "slack-token": "xoxe.xoxp-1-" + MIXED * 3,
    "doppler-token": "dp.st.dev_ci." + MIXED[:40],
    "figma-token": "figp_" + MIXED[:38] + "==",
    "supabase-token": "sbp_oauth_" + HEX[:40],
    "dynatrace-token": "dt0s16." + "ST2EY72KQINMH574WMNVI7YN" + "." + "G3DFPBEJYMODIDAEX454M7YWBUVEFOWKPRVMWFASS64NFH52PX6BNDVFFM572RZM",
    "brevo-key": "xsmtpsib-" + HEX[:64] + "-" + MIXED[:16],
    "telegram-token": "https://api.telegram.org/bot" + "123456789" + ":AA" + MIXED[:33] + "/sendMessage",
    "aws-secret-key": '"SecretAccessKey": "' + "kD9/3jLq+Xv7Zt2RnWb5YcHs8MfGp1QaUe4ToI6x",
}
"""Second shapes of some rules."""


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
