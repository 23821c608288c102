"""A GitHub App for tests: its key, and the routes by which a host knows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support.github_openapi import example

APP_ID = 4_711
SLUG = "prreview-for-octo"
INSTALLATION = 99
DECLARED = {"pull_requests": "write", "contents": "read"}


@cache
def private_key(which: int = 0) -> str:
    """A PEM as the App's page gives it; another one for each number."""
    key = rsa.generate_private_key(65_537, 2_048)
    pem = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption()).decode()


@cache
def public_key(pem: str) -> rsa.RSAPublicKey:
    """The other half of a private key."""
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key.public_key()


@dataclass
class AppWorld:
    """The App as the host knows it. `repositories` are those it is installed on, by id; `minted` the living tokens,
    each with the ids that it opens; `reply` is laid over each token's answer."""

    now: Callable[[], datetime]
    repositories: Callable[[], dict[int, str]]
    granted: dict[str, str] = field(default_factory=lambda: {**DECLARED, "metadata": "read"})
    suspended: bool = False
    minted: dict[str, set[int]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)

    def answer(self, request: httpx.Request, path: str, sent: Any) -> httpx.Response | None:
        """The answer of a route of the App's own; None for any other."""
        if path.endswith("/installation"):
            return self._signed(request) or self._installation(path)
        if path.startswith("/app"):
            return self._signed(request) or self._as_app(path, sent)
        return None

    def opened_by(self, request: httpx.Request) -> set[int] | None:
        """What the request's token opens; None if it is none of the living ones."""
        return self.minted.get(request.headers["authorization"].removeprefix("Bearer "))

    def _signed(self, request: httpx.Request) -> httpx.Response | None:
        """The refusal of a JWT that is not good, by GitHub's rules."""
        token = request.headers["authorization"].removeprefix("Bearer ")
        try:
            claims = jwt.decode(token, public_key(private_key()), algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False})
        except jwt.PyJWTError:
            return _no(401, "A JSON web token could not be decoded")
        at = self.now().timestamp()
        assert claims["iat"] <= at - 60
        assert at < claims["exp"] <= at + 600
        assert claims["exp"] - claims["iat"] <= 600
        return None if claims["iss"] == str(APP_ID) else _no(404, "Integration not found")

    def _installation(self, path: str) -> httpx.Response:
        name = path.removeprefix("/repos/").removesuffix("/installation")
        if name not in self.repositories().values():
            return _no(404, "Not Found")
        suspended = "2026-11-24T11:00:00Z" if self.suspended else None
        known = {"id": INSTALLATION, "permissions": self.granted, "suspended_at": suspended, "suspended_by": None}
        return httpx.Response(200, json=example("GET", path) | known)

    def _as_app(self, path: str, sent: Any) -> httpx.Response:
        if path == "/app":
            return httpx.Response(200, json=example("GET", path) | {"id": APP_ID, "slug": SLUG, "permissions": self.granted})
        if path != f"/app/installations/{INSTALLATION}/access_tokens" or not self.repositories():
            return _no(404, "Not Found")
        if self.suspended:
            return _no(403, "This installation has been suspended")
        self.asked.append(sent)
        return self._mint(sent)

    def _mint(self, sent: dict[str, Any]) -> httpx.Response:
        if any(self.granted.get(name) not in {level, "write"} for name, level in sent["permissions"].items()):
            return _no(422, "The permissions requested are not granted to this installation.")
        there = self.repositories()
        by_name = {full.partition("/")[2]: id_ for id_, full in there.items()}
        ids = sent.get("repository_ids", [by_name.get(name, 0) for name in sent.get("repositories", [])])
        if not set(ids) <= set(there):
            return _no(422, "There is at least one repository that does not exist or is not accessible to the parent installation.")
        token = f"ghs_{APP_ID}_{len(self.asked):03}AbCdEfGhIjKlMnOpQrStUvWxYz"
        self.minted[token] = set(ids or there)
        answer: dict[str, Any] = {"token": token, "expires_at": f"{self.now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
        answer["permissions"] = {**sent["permissions"], "metadata": "read"}
        if ids:
            published = (example("POST", f"/app/installations/{INSTALLATION}/access_tokens", 201) or {}).get("repositories", [{}])[0]
            opened = [published | {"id": id_, "full_name": there[id_]} for id_ in ids]
            answer |= {"repository_selection": "selected", "repositories": opened}
        return httpx.Response(201, json=answer | self.reply)


def _no(status: int, message: str) -> httpx.Response:
    return httpx.Response(status, content=json.dumps({"message": message}).encode())
