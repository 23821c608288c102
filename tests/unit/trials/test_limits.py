from __future__ import annotations

import tomllib
from pathlib import Path

from prreview_cli.core.profile import Host, Model, Profile, ReviewPolicy, SecretName, SecretRef, SecretScheme, Server, StateFolder, Workers
from prreview_cli.settings import read_profile
from prreview_cli.trials.limits import OWN, of_profile
from prreview_cli.trials.temporary_profile import Keys, write

REAL = Profile(
    name="prod",
    path=Path("/etc/prod.toml"),
    environment="prod",
    model=Model("claude-opus-4-1-20250805", "https://model.example", calls_per_review=2, max_usd_per_day=7.0),
    server=Server(port=80),
    workers=Workers(count=6, max_in_flight_per_repository=2, lease_s=12.0),
    host=Host(api_url="https://api.example", git_url="https://git.example", repositories=("secret/*",)),
    review=ReviewPolicy(min_interval_s=33.0),
    state=StateFolder(Path("/var/lib/prod")),
    secrets={SecretName.HOST_TOKEN: SecretRef(SecretScheme.ENV, "REAL_TOKEN")},
)


def written(folder: Path, workers: int) -> str:
    addresses = {"model_url": "http://127.0.0.1:1", "api_url": "http://127.0.0.1:2", "git_url": "http://127.0.0.1:3"}
    return write(folder, Keys(), workers=workers, tables=of_profile(REAL).tables, **addresses).read_text()


def test_the_limits_of_a_profile_come_along_and_nothing_else(tmp_path: Path) -> None:
    text = written(tmp_path, 6)
    for foreign in ("example", "REAL_TOKEN", "secret/", "/var/lib", "/etc"):
        assert foreign not in text
    made = tomllib.loads(text)
    assert (made["workers"]["max_in_flight_per_repository"], made["workers"]["lease_s"], made["review"]["min_interval_s"]) == (
        2,
        12.0,
        33.0,
    )
    assert (made["model"]["base_url"], made["model"]["max_usd_per_day"]) == ("http://127.0.0.1:1", 7.0)


def test_what_is_written_is_a_profile_that_serve_accepts(tmp_path: Path) -> None:
    written(tmp_path, 6)
    (path,) = tmp_path.glob("*.toml")
    assert read_profile(path).workers == REAL.workers


def test_a_number_of_workers_of_ones_own_goes_before_the_profiles(tmp_path: Path) -> None:
    assert tomllib.loads(written(tmp_path, 9))["workers"]["count"] == 9


def test_the_bounds_of_the_verdict_are_the_profiles() -> None:
    limits = of_profile(REAL)
    assert (limits.profile, limits.workers, limits.per_repository, limits.calls_per_review) == ("prod", 6, 2, 2)
    assert (OWN.profile, OWN.workers, OWN.per_repository, OWN.calls_per_review, OWN.tables) == ("", 4, 0, 1, {})
