"""What GitHub's answer to `GET /user`, of an App `GET /app`, tells besides who we are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from prreview_cli.core.errors import HostUnreachable
from prreview_cli.core.ports.host import Introduction
from prreview_cli.hosts.github import answers, fields, requests
from prreview_cli.hosts.github.auth import Access
from prreview_cli.hosts.github.client import Answer, GitHubClient, NoAnswer


async def introduce(api_url: str, access: Access, now: Callable[[], datetime]) -> Introduction:
    """Ask once. HostUnreachable without an answer; that the token is rejected is not told here, but by `identify`."""
    client = GitHubClient(api_url)
    try:
        answer = await client.send(access.who, (await access.own()).secret)
    except NoAnswer as lost:
        raise HostUnreachable(f"No whole answer came from the code host ({lost}).") from None
    finally:
        await client.close()
    of_app = access.who.route is requests.Route.APP
    return Introduction(
        "x-oauth-scopes" in answer.headers, _time(answer.headers.get("date")), now(), _permissions(answer) if of_app else None
    )


def _permissions(answer: Answer) -> Mapping[str, str] | None:
    try:
        return answers.app(answer.body).permissions
    except ValueError:
        return None


def _time(text: str | None) -> datetime | None:
    try:
        return fields.http_date(text or "")
    except ValueError:
        return None
