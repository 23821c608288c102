"""`profile check`: everything that can be said of a profile without asking anyone outside this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from prreview_cli.core.errors import PrreviewError, SecretUnavailable
from prreview_cli.core.profile import Host, Profile, SecretName
from prreview_cli.secrecy import Secret
from prreview_cli.settings.problems import Problem
from prreview_cli.settings.profiles import examine_text, profile_paths, read_profile, read_text
from prreview_cli.settings.rules import is_loopback
from prreview_cli.settings.vault import Vault


def needed(profile: Profile) -> tuple[SecretName, SecretName]:
    """Without these no review is possible. A webhook secret is needed by `serve` alone."""
    return SecretName.MODEL_API_KEY, host_secret(profile)


def host_secret(profile: Profile) -> SecretName:
    """What opens the code host: an App's private key or a token; the other of the two is not used."""
    return SecretName.APP_PRIVATE_KEY if profile.host.auth == "app" else SecretName.HOST_TOKEN


@dataclass(slots=True)
class Report:
    """What a check found. `problems` make the profile unusable; `notes` do not."""

    path: Path
    profile: Profile | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    present: dict[SecretName, bool] = field(default_factory=dict)

    def add(self, key: str, error: PrreviewError) -> None:
        """Add a problem from what was raised."""
        self.problems.append(Problem(key, f"{key}: {error}" if key else str(error), remedy=error.remedy))


def check_profile(path: Path, environ: Mapping[str, str], vault_of: Callable[[Profile], Vault]) -> Report:
    """Check the file, who could write it, that its secrets can be had, and that no other profile shares them."""
    report = Report(path)
    try:
        text = read_text(path)
    except PrreviewError as error:
        report.add("", error)
        return report
    report.profile, report.problems = examine_text(text, path)
    if report.profile is None:
        return report
    _note_two_hosts(report, report.profile.host)
    values = _check_secrets(report, report.profile, vault_of(report.profile))
    for other in profile_paths(environ):
        if other.resolve() != path.resolve():
            _compare(report, report.profile, values, other, vault_of)
    return report


def _check_secrets(report: Report, profile: Profile, vault: Vault) -> Mapping[str, Secret]:
    unused = {SecretName.HOST_TOKEN, SecretName.APP_PRIVATE_KEY} - {host_secret(profile)}
    for name in SecretName:
        if name in unused or (name not in profile.secrets and name not in needed(profile)):
            continue
        try:
            vault.get(name)
            report.present[name] = True
        except SecretUnavailable as error:
            report.present[name] = False
            report.add(f"secrets.{name}", error)
    if SecretName.WEBHOOK_SECRET not in profile.secrets:
        report.notes.append("There is no secrets.webhook_secret, so `prreview serve` would not start; the other commands do not need it.")
    return vault.known()


def _note_two_hosts(report: Report, host: Host) -> None:
    """A company's own server is named by two keys, and whoever forgets the second shows its token to github.com."""
    api, git = urlsplit(host.api_url).hostname, urlsplit(host.git_url).hostname
    if not is_loopback(api or "") and (api == "api.github.com") != (git == "github.com"):
        told = f"host.api_url leads to {api} and host.git_url to {git}, and the token is sent to both."
        report.notes.append(f"{told} Set the one that is not meant.")


def _compare(
    report: Report, profile: Profile, values: Mapping[str, Secret], other_path: Path, vault_of: Callable[[Profile], Vault]
) -> None:
    """Refuse what two profiles must not share (THREATS 61); values are compared in memory and nowhere kept."""
    try:
        other = read_profile(other_path)
    except PrreviewError:
        report.notes.append(f"{other_path.name} cannot be read as a profile, so it was not compared.")
        return
    if other.environment == profile.environment:
        told = f"environment {profile.environment} is that of {other_path.name} too: they would share queue and secrets."
        report.problems.append(Problem("environment", told, remedy="Give each profile an environment of its own."))
        return
    for other_name, theirs in vault_of(other).known().items():
        for name, ours in values.items():
            if ours.equals(theirs.reveal().encode()):
                told = f"{name} has the same value as {other_name} in {other_path.name}."
                report.problems.append(Problem(f"secrets.{name}", told, remedy="Use a secret of its own for each environment."))
