"""Whether a listener could have its port, and who has it."""

from __future__ import annotations

import http.client
import json
import socket

_STATUS = frozenset({"ok", "ready", "not_ready", "unavailable"})
"""What `/healthz` and `/readyz` answer as their status."""
_WITHIN_S = 3.0


def try_port(host: str, port: int) -> None:
    """Take the port as `Listener` does, and leave it again; OSError if it cannot be had now. Blocks while a name is looked up."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, kind, protocol) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(address)
        tried.listen(1)


def is_ours(host: str, port: int, path: str) -> bool:
    """Whether what listens there answers at `path` as a `prreview serve` does; of which profile, it does not say. Blocks."""
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
    connection = http.client.HTTPConnection(near, port, timeout=_WITHIN_S)
    try:
        connection.request("GET", path)
        answer = json.loads(connection.getresponse().read(4096))
        return isinstance(answer, dict) and answer.get("status") in _STATUS and "reason" in answer
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
