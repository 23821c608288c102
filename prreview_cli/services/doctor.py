"""`doctor`: checks one after the other, each within its time, and the judgements that need no machine to be tried on.

A check never ends the examination: what it raises, and that it does not end in time, is its finding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prreview_cli.core import errors
from prreview_cli.core.profile import SecretName, SecretRef, SecretScheme
from prreview_cli.telemetry import logger

log = logger("doctor")

SKEW_S = 60.0
"""How far our clock may be from the host's: an App's token is signed for so long before it is sent (FACTS: iat - 60 s)."""

_NOT_NOW = (
    errors.HostRateLimited,
    errors.ModelRateLimited,
    errors.ModelOverloaded,
    errors.DayBudgetReached,
    errors.BudgetReached,
)
"""Failures that say nothing of the profile."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `ok` None: it cannot be known. `remedy` says what to do, "" where there is nothing to do."""

    name: str
    ok: bool | None
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One question. `ask` gives its findings, or raises what is wrong; after `within_s` seconds it has failed, and
    `late` says what to do."""

    name: str
    ask: Callable[[], Awaitable[Iterable[Finding]]]
    within_s: float = 10.0
    late: str = "See what holds it up, then run `prreview doctor` again."


async def examine(checks: Sequence[Check], done: Callable[[Finding], object]) -> list[Finding]:
    """Ask them in order and call `done` with each finding as it comes; never raises for what a check does."""
    found: list[Finding] = []
    for check in checks:
        for finding in await _asked(check):
            found.append(finding)
            done(finding)
    return found


async def _asked(check: Check) -> list[Finding]:
    try:
        async with asyncio.timeout(check.within_s):
            return list(await check.ask())
    except TimeoutError:
        told = f"There was no answer within {check.within_s:g} s."
        return [Finding(check.name, ok=False, detail=told, remedy=check.late)]
    except errors.PrreviewError as error:
        return [failed(check.name, error)]
    except OSError as error:
        told = f"The operating system refused: {error.strerror or type(error).__name__}."
        return [Finding(check.name, ok=False, detail=told, remedy="See that this user may do it.")]
    except Exception as error:
        # A boundary: one broken check must not hide the others.
        log.exception("check_broke", check=check.name)
        told = f"The check itself broke with {type(error).__name__}."
        return [Finding(check.name, ok=False, detail=told, remedy=errors.Internal.default_remedy)]


def failed(name: str, error: errors.PrreviewError) -> Finding:
    """The finding in what was raised; a limit that passes is no fault of the profile."""
    return Finding(name, ok=None if isinstance(error, _NOT_NOW) else False, detail=str(error), remedy=error.remedy)


# -- judgements -------------------------------------------------------------------------------------


def clock(ours: datetime, theirs: datetime | None) -> Finding:
    """Our time against the host's `Date` header, which is whole seconds."""
    if theirs is None:
        return Finding("clock", ok=None, detail="The code host did not say what time it is.")
    skew = (ours - theirs).total_seconds()
    told = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the code host"
    if abs(skew) <= SKEW_S:
        return Finding("clock", ok=True, detail=f"{told}; up to {SKEW_S:.0f} s are fine")
    remedy = "Turn on time synchronisation (`timedatectl set-ntp true`): budgets, leases and tokens go by the clock."
    return Finding("clock", ok=False, detail=f"This machine is {told}.", remedy=remedy)


def reboot(references: Mapping[SecretName, SecretRef], volatile: Callable[[Path], bool]) -> Finding:
    """Whether the secrets are there again after a reboot. `volatile`: a file's file system lives in memory alone.

    Never False: a keyring may be unlocked, a variable set and a file laid down again by somebody we do not see.
    """
    doubts = [doubt for name, reference in references.items() if (doubt := _doubt(name, reference, volatile))]
    if not doubts:
        return Finding("reboot", ok=True, detail="the secrets are in files that outlast it, or are laid down at each start")
    remedy = "For a service, refer to file:/run/credentials/UNIT/NAME with systemd's LoadCredential; then try a reboot."
    return Finding("reboot", ok=None, detail=" ".join(dict.fromkeys(doubts)), remedy=remedy)


_LAID_DOWN = tuple(map(Path, ("/run/credentials", "/run/secrets", "/var/run/secrets")))
"""Where systemd, Docker and Kubernetes put a service's secrets at each of its starts."""


def _doubt(name: SecretName, reference: SecretRef, volatile: Callable[[Path], bool]) -> str | None:
    match reference.scheme:
        case SecretScheme.KEYRING:
            return "A keyring is locked after a reboot until its user logs in or unlocks it; a service may start before."
        case SecretScheme.ENV:
            return f"{name} is there if whatever starts prreview sets {reference.location} again."
        case SecretScheme.FILE:
            path = Path(reference.location)
            lasts = any(path.is_relative_to(folder) for folder in _LAID_DOWN) or not volatile(path)
            return None if lasts else f"{name} is there if somebody lays down {path} again: it is kept in memory alone."


def scopes(*, classic: bool, declared: Mapping[str, str]) -> Finding:
    """What can be said of a token that was accepted: a classic one lists its scopes, and one that writes was refused before."""
    wanted = ", ".join(f"{name}: {level}" for name, level in declared.items())
    if classic:
        return Finding("host.scopes", ok=True, detail="a classic token, and none of its scopes writes")
    told = f"A fine-grained token does not say what else it may do. The profile declares {wanted}; nothing is tried by writing."
    return Finding("host.scopes", ok=None, detail=told, remedy="Compare it with the token's page on the code host.")


_LEVELS = ("", "read", "write", "admin")


def app_permissions(granted: Mapping[str, str], declared: Mapping[str, str]) -> Finding:
    """What an App may be granted at most against what the profile declares; each of its tokens is narrowed to the latter."""
    lacking = _beyond(declared, granted)
    if lacking:
        told = f"The App does not ask for {lacking}, which host.permissions declares."
        return Finding("host.scopes", ok=False, detail=told, remedy="Add it on the App's page, and let the repositories' owners accept it.")
    if wide := _beyond(granted, declared):
        told = f"The App may do more than the profile declares: {wide}. Its tokens are narrowed, but whoever has its key can mint others."
        return Finding("host.scopes", ok=False, detail=told, remedy="Take these permissions from the App on its page.")
    return Finding("host.scopes", ok=True, detail="an App that may do what the profile declares, and no more")


def _beyond(these: Mapping[str, str], those: Mapping[str, str]) -> str:
    """In words, which of these permissions are more than those; every App may read metadata. A level we do not know is more."""
    bounds = {"metadata": "read", **those}
    more = [name for name, level in these.items() if level not in _LEVELS or _LEVELS.index(level) > _rank(bounds.get(name, ""))]
    return ", ".join(f"{name}: {these[name]}" for name in sorted(more))


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)


def webhook_settings(path: str, actions: Sequence[str]) -> Finding:
    """What to enter at the code host; whether it was, cannot be known from here."""
    told = f"Payload URL https://YOUR-HOST{path}; content type application/json; secret webhook_secret; events: Pull requests alone"
    return Finding("webhook", ok=None, detail=f"{told} (reviewed: {', '.join(actions)}).")
