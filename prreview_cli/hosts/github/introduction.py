"""What GitHub's answer to `GET /user` tells besides who we are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from prreview_cli.core.errors import HostUnreachable
from prreview_cli.core.ports.host import Introduction
from prreview_cli.hosts.github import requests
from prreview_cli.hosts.github.client import GitHubClient, NoAnswer
from prreview_cli.secrecy import Secret


async def introduce(api_url: str, token: Callable[[], Secret], now: Callable[[], datetime]) -> Introduction:
    """Ask once. HostUnreachable without an answer; that the token is rejected is not told here, but by `identify`."""
    client = GitHubClient(api_url, token)
    try:
        answer = await client.send(requests.user())
    except NoAnswer as lost:
        raise HostUnreachable(f"No whole answer came from the code host ({lost}).") from None
    finally:
        await client.close()
    return Introduction("x-oauth-scopes" in answer.headers, _time(answer.headers.get("date")), now())


def _time(text: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
