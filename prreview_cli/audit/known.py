"""The values to look for: every secret of one profile, or of all, each with its environment."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from prreview_cli.core.errors import SecretUnavailable
from prreview_cli.core.profile import Profile
from prreview_cli.secrecy import Secret
from prreview_cli.settings import Vault


@dataclass(slots=True)
class Known:
    """Secrets by a key of environment and name, as a Matcher takes them, and what could not be had: (which, the error)."""

    secrets: dict[str, Secret] = field(default_factory=dict)
    missing: list[tuple[str, SecretUnavailable]] = field(default_factory=list)


def values_of(profiles: Iterable[Profile]) -> Known:
    """What the profiles' references lead to now. Nothing is raised for one that leads nowhere: it is named."""
    known = Known()
    for profile in profiles:
        vault = Vault(profile)
        for name in vault.places():
            try:
                _add(known.secrets, f"{profile.environment}/{name}", vault.sought(name))
            except SecretUnavailable as error:
                known.missing.append((f"{name} of {profile.environment}", error))
    return known


def split(key: str) -> tuple[str, str]:
    """(environment, name) of a key; an environment's name has no slash."""
    environment, _, name = key.partition("/")
    return environment, name


def _add(secrets: dict[str, Secret], key: str, secret: Secret) -> None:
    """Two profile files of one environment may hold different values under one name."""
    at, count = key, 1
    while at in secrets and not secrets[at].equals(secret.reveal().encode()):
        count += 1
        at = f"{key} ({count})"
    secrets[at] = secret
