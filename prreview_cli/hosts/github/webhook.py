"""GitHub's webhook dialect: authentic or not, and what it says. Pure; the hot path of the server.

An authentic `pull_request` body is decoded by msgspec into the few fields below; everything else,
URLs above all, is skipped without being built. Three things that msgspec lets pass are refused by
other means: invalid UTF-8 in what is skipped, a key that comes twice among the values that are
read (with a value: a null before it is not seen), and a number of thousands of digits. Whatever is
not plainly a good `pull_request` event takes the slow path, the standard library's parser at its
strictest, which tells "not JSON" from "not for us".
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from prreview_cli.core.events import Event, Ping, PullRequestEvent, Unrelated
from prreview_cli.core.ports.host import Signer
from prreview_cli.hosts.github import fields
from prreview_cli.secrecy import Secret

_SIGNATURE = b"x-hub-signature-256"
_DELIVERY = b"x-github-delivery"
_EVENT = b"x-github-event"

_STRIDE = 512
_LONG_NUMBER = re.compile(rb"[0-9]{8}")
"""Looked for in every 512th byte: a number of 4,300 digits, the longest that Python reads, cannot step over it."""


class GitHubWebhook:
    """`WebhookReader` for GitHub. `secrets` gives the current secret and then, during a rotation, the previous one."""

    def __init__(self, secrets: Callable[[], Sequence[Secret]]) -> None:
        self._secrets = secrets

    def authentic(self, body: bytes | memoryview, headers: Mapping[bytes, bytes]) -> Signer | None:
        given = headers.get(_SIGNATURE, b"")
        for signer, secret in zip(Signer, self._secrets(), strict=False):
            key = secret.reveal().encode()
            # An empty key would verify what anybody can sign.
            if key and hmac.compare_digest(signature(body, key), given):
                return signer
        return None

    def read(self, body: bytes, headers: Mapping[bytes, bytes]) -> Event:
        name = self.event_name(headers)
        if name == "pull_request":
            return _pull_request(body)
        payload = _strictly(body)
        if name == "ping" and isinstance(payload, dict) and "zen" in payload:
            return Ping()
        return Unrelated(f"The event {name!r} asks for no review.", _action(payload))

    def delivery_id(self, headers: Mapping[bytes, bytes]) -> str:
        """Cut to 128 characters; "" where it is not printable."""
        text = headers.get(_DELIVERY, b"").decode("utf-8", "replace")[:128]
        return text if text.isprintable() else ""

    def event_name(self, headers: Mapping[bytes, bytes]) -> str:
        """A word of lower-case letters, as all of GitHub's are; "" where it is not."""
        try:
            return fields.word(headers.get(_EVENT, b"").decode("ascii", "replace"))
        except ValueError:
            return ""

    def signed(self, body: bytes, event: str, delivery_id: str) -> Mapping[bytes, bytes]:
        current, *_ = self._secrets()
        return {
            b"content-type": b"application/json",
            _EVENT: event.encode(),
            _DELIVERY: delivery_id.encode(),
            _SIGNATURE: signature(body, current.reveal().encode()),
        }


def signature(body: bytes | memoryview, key: bytes) -> bytes:
    """The value of X-Hub-Signature-256 for this raw body."""
    return b"sha256=" + hmac.digest(key, body, "sha256").hex().encode()


# -- the hot path: a pull_request event ------------------------------------------------------------


class _Leaf:
    """A scalar of the payload. The decoder makes one whenever a key occurs, so one too many is a key that came twice."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class _Named(msgspec.Struct, gc=False):
    name: _Leaf


class _Account(msgspec.Struct, gc=False):
    login: _Leaf


class _Head(msgspec.Struct, gc=False):
    sha: _Leaf


class _Base(msgspec.Struct, gc=False):
    ref: _Leaf


class _PullRequest(msgspec.Struct, gc=False):
    number: _Leaf
    head: _Head
    base: _Base
    state: _Leaf | None = None
    updated_at: _Leaf | None = None
    user: _Account | None = None
    draft: _Leaf | None = None
    author_association: _Leaf | None = None


class _Repository(msgspec.Struct, gc=False):
    id: _Leaf
    full_name: _Leaf


class _Changes(msgspec.Struct, gc=False):
    base: _Leaf | None = None


class _Payload(msgspec.Struct, gc=False):
    action: _Leaf
    pull_request: _PullRequest
    repository: _Repository
    sender: _Account | None = None
    label: _Named | None = None
    changes: _Changes | None = None


def _pull_request(body: bytes) -> Event:
    made: list[_Leaf] = []

    def leaf(kind: type, value: Any) -> _Leaf:
        made.append(kind(value))
        return made[-1]

    try:
        body.decode()
        payload = msgspec.json.decode(body, type=_Payload, dec_hook=leaf)
        if len(made) != _leaves(payload) or _LONG_NUMBER.search(body[::_STRIDE]):
            _strictly(body)
        return _event(payload)
    except (ValueError, RecursionError):
        # Not JSON, or not a pull request's event: only a whole parse can tell.
        return Unrelated("The body has not the shape of a pull_request event.", _action(_strictly(body)))


def _leaves(payload: _Payload) -> int:
    """How many scalars were kept."""
    pull, changes = payload.pull_request, payload.changes
    optional = (
        pull.state,
        pull.updated_at,
        pull.user,
        pull.draft,
        pull.author_association,
        payload.sender,
        payload.label,
        changes and changes.base,
    )
    return 6 + sum(part is not None for part in optional)


def _event(payload: _Payload) -> PullRequestEvent:
    pull, association = payload.pull_request, payload.pull_request.author_association
    return PullRequestEvent(
        action=fields.word(payload.action.value),
        repository_id=fields.identifier(payload.repository.id.value),
        repository=fields.full_name(payload.repository.full_name.value),
        number=fields.identifier(pull.number.value),
        head_sha=fields.sha(pull.head.sha.value),
        base_ref=fields.line(pull.base.ref.value, 1024),
        draft=pull.draft is not None and fields.flag(pull.draft.value),
        open=pull.state is None or fields.is_open(pull.state.value),
        updated_at=None if pull.updated_at is None else fields.instant(pull.updated_at.value),
        author=fields.GHOST if pull.user is None else fields.login(pull.user.login.value),
        author_association="NONE" if association is None else fields.line(association.value, 64),
        sender=fields.GHOST if payload.sender is None else fields.login(payload.sender.login.value),
        label=None if payload.label is None else fields.line(payload.label.name.value, 256),
        base_changed=payload.changes is not None and payload.changes.base is not None,
    )


# -- the slow path: any JSON, at its strictest -----------------------------------------------------


def _strictly(body: bytes) -> Any:
    """The JSON value in `body`; ValueError for what a strict reader refuses, in any part of it."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
        json.dumps(value, ensure_ascii=False).encode()  # the parser lets half a surrogate pair pass, the encoder does not
    except RecursionError:
        raise ValueError("The body is nested too deeply.") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("A key comes twice in one object.")
    return keys


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


def _float(digits: str) -> float:
    if len(digits) > 4_300:
        raise ValueError("A number is too long.")
    return float(digits)


def _action(payload: Any) -> str | None:
    try:
        return fields.word(payload.get("action")) if isinstance(payload, dict) else None
    except ValueError:
        return None
