"""What one webhook costs before the database: the signature, and our reader beside plain json.loads.

    python benchmarks/webhook_read.py [PAYLOAD.json]

Without a file, a pull_request payload of about 25 KB is made up.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prreview_cli.hosts.github.webhook import GitHubWebhook, signature
from prreview_cli.secrecy import Secret

SECRET = "a webhook secret of at least thirty-two bytes"


def made_up() -> bytes:
    """A payload of the shape and size that GitHub sends."""
    urls = {f"{kind}_url": f"https://api.github.com/repos/octo/demo/{kind}{{/number}}" for kind in "abcdefghijklmnopqrstuvwxyz"}
    user = {"login": "alice", "id": 1, **urls}
    repository = {"id": 7, "full_name": "octo/demo", "owner": user, **urls}
    head, base = ({"sha": letter * 40, "ref": "main", "user": user, "repo": repository} for letter in "ab")
    pull: dict[str, Any] = {"number": 3, "state": "open", "draft": False, "updated_at": "2026-11-24T12:00:00Z", "body": "text " * 200}
    pull |= {"author_association": "MEMBER", "user": user, "head": head, "base": base, **urls}
    return json.dumps({"action": "opened", "number": 3, "pull_request": pull, "repository": repository, "sender": user}).encode()


def microseconds(call: Callable[[], object], rounds: int = 1000) -> float:
    """The best of seven runs."""
    return min(timeit.repeat(call, number=rounds, repeat=7)) / rounds * 1e6


def main() -> None:
    body = Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else made_up()
    webhook = GitHubWebhook(lambda: [Secret(SECRET)])
    headers = {b"x-github-event": b"pull_request", b"x-hub-signature-256": signature(body, SECRET.encode())}
    print(f"payload            {len(body):8} bytes")
    for name, call in {
        "authentic": lambda: webhook.authentic(body, headers),
        "read, strict": lambda: webhook.read(body, headers),
        "json.loads alone": lambda: json.loads(body),
    }.items():
        print(f"{name:18} {microseconds(call):8.1f} µs")


if __name__ == "__main__":
    main()
