"""Code hosts. A new one is a folder here and one `case` in each of the functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prreview_cli.core.errors import ProfileError
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.host import CodeHost, Introduction, WebhookReader
from prreview_cli.core.profile import Profile, SecretName
from prreview_cli.secrecy import Secret

if TYPE_CHECKING:
    from prreview_cli.hosts.github.auth import Access


def access(
    profile: Profile,
    secret: Callable[[SecretName], Secret],
    clock: Clock,
    redact: Callable[[str], str],
    learn: Callable[[str, Secret], None] = lambda _name, _secret: None,
) -> Access:
    """Where the profile's requests, and its git, get their credentials from; `secret` is asked each time.

    `learn` is told each credential that the host mints for us before it is used, by a name for it.
    """
    match profile.host.kind, profile.host.auth:
        case "github", "app":
            from prreview_cli.hosts.github.app import AppAccess  # noqa: PLC0415 - only the chosen host's code is loaded

            return AppAccess(profile.host, lambda: secret(SecretName.APP_PRIVATE_KEY), clock, redact, learn)
        case "github", _:
            from prreview_cli.hosts.github.auth import TokenAccess  # noqa: PLC0415 - only the chosen host's code is loaded

            return TokenAccess(lambda: secret(SecretName.HOST_TOKEN))
        case unknown, _:
            raise _unknown(unknown)


async def git_token(access: Access, repository_id: int | None, repository: str, refused: Secret | None) -> Secret:
    """What git shows to fetch this repository; `refused` is what the host has just refused of it, if it did."""
    from prreview_cli.hosts.github.auth import git_token as of_github  # noqa: PLC0415 - there is one kind of host

    return await of_github(access, repository_id, repository, refused)


def code_host(profile: Profile, access: Access, clock: Clock, redact: Callable[[str], str]) -> CodeHost:
    """The profile's code host, which closes `access` with itself; `redact` is applied to what the host says.

    Nothing is opened before the first request.
    """
    match profile.host.kind:
        case "github":
            from prreview_cli.hosts.github.host import GitHubHost  # noqa: PLC0415 - only the chosen host's code is loaded

            return GitHubHost(profile.host, access, profile.environment, clock, redact)
        case unknown:
            raise _unknown(unknown)


def webhook(profile: Profile, secrets: Callable[[], Sequence[Secret]]) -> WebhookReader:
    """The webhook dialect of the profile's host. `secrets` gives the current and then the previous one, at each delivery."""
    match profile.host.kind:
        case "github":
            from prreview_cli.hosts.github.webhook import GitHubWebhook  # noqa: PLC0415 - only the chosen host's code is loaded

            return GitHubWebhook(secrets)
        case unknown:
            raise _unknown(unknown)


async def introduction(profile: Profile, access: Access, clock: Clock) -> Introduction:
    """What `doctor` learns of token and clock by one request; HostUnreachable without an answer."""
    match profile.host.kind:
        case "github":
            from prreview_cli.hosts.github.introduction import introduce  # noqa: PLC0415 - only `doctor` asks

            return await introduce(profile.host.api_url, access, clock.now)
        case unknown:
            raise _unknown(unknown)


def _unknown(kind: str) -> ProfileError:
    return ProfileError(f"host.kind is {kind!r}, and there is no code host of that kind.", remedy='Set host.kind to "github".')
