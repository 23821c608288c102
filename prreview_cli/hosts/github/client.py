"""The thin shell that has one exchange with GitHub over httpx: no redirects, no retries, no proxy of the environment.

What follows from a status is decided elsewhere; here an exchange either yields an answer or says
whether the host may have heard of it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prreview_cli import __version__
from prreview_cli.core.errors import HostTokenRejected
from prreview_cli.hosts.github.requests import Request
from prreview_cli.secrecy import Secret

if TYPE_CHECKING:
    import httpx

API_VERSION = "2022-11-28"
CONNECT_S = 10.0
SILENCE_S = 20.0
EXCHANGE_S = 45.0
LARGEST_ANSWER = 16 * 1024 * 1024


LastLook = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in any case) and body; the body is b"" where it was larger than we read."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Exception):
    """No whole answer came. `sent`: the host may have heard the request all the same."""

    def __init__(self, how: str, *, sent: bool) -> None:
        super().__init__(how)
        self.sent = sent


class GitHubClient:
    """Has exchanges with the API at `api_url`."""

    def __init__(self, api_url: str) -> None:
        self._root = api_url.rstrip("/")
        self._http: httpx.AsyncClient | None = None

    async def send(self, request: Request, token: Secret, last_look: LastLook | None = None) -> Answer:
        """One exchange, authorized by `token`. NoAnswer if none was had; HostTokenRejected if the token cannot even be sent.

        `last_look` is awaited when the connection is open and the headers are sent, immediately before the body; what it
        raises is raised, the connection is closed, and the host has no whole request.
        """
        import httpx  # noqa: PLC0415 - heavy, and `--help` must not load it

        headers = {"Authorization": f"Bearer {_sendable(token)}"}
        content: bytes | AsyncIterator[bytes] | None = None
        if request.body is not None:
            content = json.dumps(request.body.to_json()).encode()
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
            if last_look is not None:
                content = _after(last_look, content)
        # Neither httpx's messages nor its exceptions go on from here: they hold the request, and so the token.
        try:
            async with asyncio.timeout(EXCHANGE_S):
                return await self._exchange(request.route.method, self._root + request.target, headers, content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise NoAnswer(type(error).__name__, sent=False) from None
        except (httpx.HTTPError, TimeoutError) as error:
            raise NoAnswer(type(error).__name__, sent=True) from None

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        if self._http is not None:
            http, self._http = self._http, None
            await http.aclose()

    async def _exchange(self, method: str, url: str, headers: dict[str, str], content: bytes | AsyncIterator[bytes] | None) -> Answer:
        async with self._opened().stream(method, url, headers=headers, content=content) as response:
            body = bytearray()
            # Raw: we accept no compression, so that what is counted is what is kept.
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LARGEST_ANSWER:
                    body.clear()
                    break
            return Answer(response.status_code, response.headers, bytes(body))

    def _opened(self) -> httpx.AsyncClient:
        import httpx  # noqa: PLC0415 - heavy, and `--help` must not load it

        if self._http is None:
            self._http = httpx.AsyncClient(
                headers={
                    "Accept": "application/vnd.github+json",
                    "Accept-Encoding": "identity",
                    "User-Agent": f"prreview/{__version__}",
                    "X-GitHub-Api-Version": API_VERSION,
                },
                timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
                follow_redirects=False,
                trust_env=False,
                verify=_trust(self._root),
            )
        return self._http


async def _after(last_look: LastLook, content: bytes) -> AsyncIterator[bytes]:
    """A body that is not begun before the look; h11 writes the headers to the socket before it asks for the first part."""
    await last_look()
    yield content


def _sendable(secret: Secret) -> str:
    token = secret.reveal()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise HostTokenRejected("The host token is empty or holds characters that no token has, so it was not sent.")
    return token


def _trust(root: str) -> ssl.SSLContext:
    """The system's certificates, as git uses them: a company's own host is known to both or to neither.

    Plain HTTP, which is for loopback, needs none of them, and reading them takes 40 ms.
    """
    return ssl.create_default_context() if root.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
