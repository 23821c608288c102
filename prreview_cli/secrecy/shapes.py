"""How well-known tokens look: what is hidden, and found in logs, even where the value is not known to us.

Two strengths. `TOKEN` is for hiding: loose, because a hidden word costs nothing. `RULES` are for
findings that somebody must act on: whole tokens only, so that a clean log has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
    sk-ant-(?:[a-z]+[0-9]{2}-)?[A-Za-z0-9_-]{8,}   # Anthropic
    | github_pat_[A-Za-z0-9_]{20,}                 # GitHub, fine-grained
    | ghs_[A-Za-z0-9._-]{30,}                      # GitHub App installation; today ghs_APPID_JWT
    | gh[opru]_[A-Za-z0-9]{20,}                    # GitHub, classic, OAuth, refresh, user
    """,
    re.VERBOSE,
)

_PUBLIC_PREFIX = re.compile(r"sk-ant-(?:[a-z]+[0-9]{2}-)?|github_pat_|gh[oprsu]_")

_VARIETY = 8
"""A token has so many different characters at least; `ghp_xxxxxxxx…` in a manual has not."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A shape of tokens: it begins with one of `prefixes` and matches `pattern` from there on."""

    name: str
    prefixes: tuple[bytes, ...]
    pattern: re.Pattern[bytes]

    def match(self, data: bytes, start: int) -> int | None:
        """Where the token that begins at `start` ends; None if there is none."""
        found = self.pattern.match(data, start)
        if found is None or len(set(found[0])) < _VARIETY or found[0].endswith(b"EXAMPLE"):  # as in AWS's manual
            return None
        return found.end() if _BORDER.search(data[max(0, start - 6) : start]) else None


_BORDER = re.compile(rb"\A\Z|(?:[^A-Za-z0-9_]|%[0-9A-Fa-f]{2}|\\[bfnrt]|\\u[0-9A-Fa-f]{4})\Z")
"""What may stand before a token: no letter, unless it ends an escape (`token%3Dghp_…`, `\\nghp_…`)."""

_KEY_KINDS = (b"", b"RSA ", b"EC ", b"DSA ", b"OPENSSH ", b"ENCRYPTED ")
_GAP = rb"(?:[ \t\r\n|>]|\\+[rn])"

RULES = (
    # https://docs.anthropic.com/en/api/admin-api/apikeys/get-api-key: partial_key_hint "sk-ant-api03-R2D...igAA"
    Rule("anthropic-key", (b"sk-ant-",), re.compile(rb"sk-ant-[a-z]+[0-9]{2}-[A-Za-z0-9_-]{24,256}")),
    # https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/: prefix, then 36
    Rule("github-token", (b"ghp_", b"gho_", b"ghu_", b"ghr_"), re.compile(rb"gh[opru]_[A-Za-z0-9]{36,255}")),
    # GitHub App installations: once the same, today ghs_APPID_JWT, whose parts are base64url with dots between
    Rule("github-app-token", (b"ghs_",), re.compile(rb"ghs_[A-Za-z0-9._-]{36,2048}")),
    # fine-grained: 22 letters, an underscore, 59 letters
    Rule("github-fine-grained-token", (b"github_pat_",), re.compile(rb"github_pat_[A-Za-z0-9_]{60,255}")),
    # RFC 7468 and OpenSSH's PROTOCOL.key; in a JSON log the line breaks are a literal \n, in YAML they are indented
    Rule(
        "private-key",
        tuple(b"-----BEGIN %bPRIVATE KEY-----" % kind for kind in _KEY_KINDS),
        re.compile(
            rb"-----BEGIN [A-Z ]{0,10}PRIVATE KEY-----" + _GAP + rb"{0,20}[A-Za-z0-9+/=]{24,4096}"
            rb"(?:" + _GAP + rb"{1,20}[A-Za-z0-9+/=]{1,4096}){0,200}"
        ),
    ),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html: AKIA long-term, ASIA temporary; base 32
    Rule("aws-access-key", (b"AKIA", b"ASIA"), re.compile(rb"A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9])")),
    # https://api.slack.com/concepts/token-types and https://api.slack.com/messaging/webhooks
    Rule("slack-token", (b"xoxb-", b"xoxp-", b"xoxa-", b"xoxr-"), re.compile(rb"xox[abpr]-[0-9]{8,16}-[0-9A-Za-z-]{20,128}")),
    Rule(
        "slack-webhook",
        (b"https://hooks.slack.com/services/",),
        re.compile(rb"https://hooks\.slack\.com/services/T[A-Z0-9]{7,12}/B[A-Z0-9]{7,12}/[A-Za-z0-9]{20,32}"),
    ),
)
"""The curated set. A rule is added with its source, a test that finds it, and one that finds nothing in clean logs."""


def looks_like_token(text: str) -> bool:
    """Whether a text holds what is shaped like a well-known token."""
    return TOKEN.search(text) is not None


def private_part(value: str) -> str:
    """A secret without the prefix that every token of its kind begins with, unless little else would be left."""
    prefix = _PUBLIC_PREFIX.match(value)
    body = value[prefix.end() :] if prefix else value
    return body if len(body) >= 8 else value
