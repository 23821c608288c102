"""Code hosts. A new one is a folder here and one `case` in each of the functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prreview_cli.core.errors import ProfileError
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.host import CodeHost, Introduction, WebhookReader
from prreview_cli.core.profile import Profile
from prreview_cli.secrecy import Secret


def code_host(profile: Profile, token: Callable[[], Secret], clock: Clock, redact: Callable[[str], str]) -> CodeHost:
    """The profile's code host. `token` is asked before each request; `redact` is applied to what the host says.

    Nothing is opened before the first request.
    """
    match profile.host.kind:
        case "github":
            from prreview_cli.hosts.github.host import GitHubHost  # noqa: PLC0415 - only the chosen host's code is loaded

            return GitHubHost(profile.host, token, profile.environment, clock, redact)
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


async def introduction(profile: Profile, token: Callable[[], Secret], clock: Clock) -> Introduction:
    """What `doctor` learns of token and clock by one request; HostUnreachable without an answer."""
    match profile.host.kind:
        case "github":
            from prreview_cli.hosts.github.introduction import introduce  # noqa: PLC0415 - only `doctor` asks

            return await introduce(profile.host.api_url, token, clock.now)
        case unknown:
            raise _unknown(unknown)


def _unknown(kind: str) -> ProfileError:
    return ProfileError(f"host.kind is {kind!r}, and there is no code host of that kind.", remedy='Set host.kind to "github".')
