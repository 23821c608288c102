"""Webhook deliveries as GitHub sends them: about twenty kilobytes of JSON, signed with the webhook's secret."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass
from typing import Any

from prreview_cli.trials.simulators.github_shapes import Shapes, node_id
from prreview_cli.trials.simulators.github_state import Hosted, Pull

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request to make to the webhook's address."""

    body: bytes
    headers: dict[str, str]

    @property
    def id(self) -> str:
        """The host's id of it."""
        return self.headers["X-GitHub-Delivery"]


def pull_request_payload(shapes: Shapes, hosted: Hosted, pull: Pull, action: str, sender: str | None = None, **more: Any) -> Json:
    """A `pull_request` event; `more` are the fields of its action, such as `label` or `changes`."""
    hook = {"id": hosted.id % 100_000_000, "node_id": node_id("MDIz", hosted.id)}
    return {
        "action": action,
        "number": pull.number,
        "pull_request": shapes.pull_request(hosted, pull),
        **more,
        "repository": shapes.repository(hosted),
        "sender": shapes.user(sender or pull.author),
        "installation": hook,
    }


def signed(payload: Json | bytes, secret: str, event: str = "pull_request", delivery_id: str | None = None) -> Delivery:
    """A delivery with GitHub's headers; the signature covers the body alone."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/5e5a8d2",
        "X-GitHub-Delivery": delivery_id or str(uuid.uuid4()),
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": "292430182",
        "X-GitHub-Hook-Installation-Target-Type": "repository",
        "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    return Delivery(body, headers)
