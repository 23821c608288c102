"""What must hold between the values of a profile."""

from __future__ import annotations

from collections.abc import Iterator

from prreview_cli.core.profile import Profile, SecretName
from prreview_cli.settings.problems import Problem


def broken_relations(profile: Profile) -> Iterator[Problem]:
    """Everything that is wrong with values which are right by themselves."""
    server, workers, model = profile.server, profile.workers, profile.model
    if server.port == server.ops_port != 0:
        yield Problem("server.ops_port", "server.ops_port is the same as server.port; the two listeners need a port each.")
    if workers.backoff_max_s < workers.backoff_s:
        yield Problem("workers.backoff_max_s", "workers.backoff_max_s is less than workers.backoff_s, the first delay.")
    if profile.host.auth == "app":
        if profile.host.app_id is None:
            yield Problem("host.auth", 'host.auth = "app" needs host.app_id, the number that the App\'s page shows as its App ID.')
        if SecretName.APP_PRIVATE_KEY not in profile.secrets:
            yield Problem("host.auth", 'host.auth = "app" needs a reference under [secrets]: app_private_key = "keyring:app_private_key".')
    if model.prices is None and not _has_price(model.name):
        yield Problem(
            "model.name",
            "model.name is not in the price table, so no cap could be kept. "
            "Add model.prices = { input = …, output = …, cache_read = …, cache_write = … }, in USD a million tokens.",
        )
    names = list(profile.secrets)
    for index, name in enumerate(names):
        if profile.secrets[name] in [profile.secrets[other] for other in names[:index]]:
            yield Problem(f"secrets.{name}", f"secrets.{name} refers to the same place as another secret; each needs a value of its own.")


def _has_price(model: str) -> bool:
    from prreview_cli.core.budget import prices_of  # noqa: PLC0415 - the price table is read only here

    return prices_of(model) is not None
