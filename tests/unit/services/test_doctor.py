"""The examination and its judgements, with checks made up for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from prreview_cli.core import errors
from prreview_cli.core.profile import SecretName, SecretRef, SecretScheme
from prreview_cli.services import doctor
from prreview_cli.services.apart import apart
from prreview_cli.services.doctor import Check, Finding, examine
from support.fakes import NOON

GOOD = Finding("good", ok=True, detail="fine")


async def good() -> Iterable[Finding]:
    return [GOOD]


def raising(error: Exception) -> Check:
    async def ask() -> Iterable[Finding]:
        raise error

    return Check("bad", ask)


async def test_what_a_check_raises_is_its_finding_and_the_others_are_asked_all_the_same() -> None:
    seen: list[Finding] = []
    checks = [
        raising(errors.ModelKeyRejected("No.", remedy="Do.")),
        raising(OSError(28, "No space")),
        raising(KeyError("x")),
        Check("good", good),
    ]

    found = await examine(checks, seen.append)

    assert [finding.ok for finding in found] == [False, False, False, True]
    assert (found[0].detail, found[0].remedy) == ("No.", "Do.")
    assert "No space" in found[1].detail
    assert "KeyError" in found[2].detail
    assert seen == found


@pytest.mark.parametrize("error", [errors.ModelOverloaded("x"), errors.HostRateLimited("x"), errors.DayBudgetReached("x")])
async def test_a_limit_that_passes_is_no_fault_of_the_profile(error: errors.Failure) -> None:
    [finding] = await examine([raising(error)], str)

    assert finding.ok is None


async def test_a_check_that_does_not_answer_has_failed_and_holds_up_nobody() -> None:
    never = threading.Event()

    async def hang() -> Iterable[Finding]:
        await apart(never.wait)
        return []

    found = await asyncio.wait_for(examine([Check("slow", hang, within_s=0.05), Check("good", good)], str), 10)

    assert [finding.ok for finding in found] == [False, True]
    assert "within 0.05 s" in found[0].detail
    never.set()


async def test_work_apart_gives_its_result_and_raises_its_error() -> None:
    assert await apart(lambda: 7) == 7
    with pytest.raises(errors.UsageError):
        await apart(lambda: (_ for _ in ()).throw(errors.UsageError("No.")))


@pytest.mark.parametrize(("ahead_s", "ok"), [(0, True), (60, True), (-60, True), (61, False), (-3600, False)])
def test_a_clock_may_be_a_minute_off(ahead_s: int, ok: bool) -> None:
    finding = doctor.clock(NOON + timedelta(seconds=ahead_s), NOON)

    assert finding.ok is ok
    assert bool(finding.remedy) is not ok


def test_a_host_that_does_not_say_its_time_leaves_the_clock_unknown() -> None:
    assert doctor.clock(NOON, None).ok is None


@pytest.mark.parametrize(
    ("scheme", "location", "in_memory", "ok"),
    [
        (SecretScheme.FILE, "/etc/prreview/key", False, True),
        (SecretScheme.FILE, "/run/credentials/prreview.service/key", True, True),
        (SecretScheme.FILE, "/mnt/key", True, None),
        (SecretScheme.ENV, "KEY", False, None),
        (SecretScheme.KEYRING, "key", False, None),
    ],
)
def test_a_secret_survives_a_reboot_only_where_that_can_be_seen(
    scheme: SecretScheme, location: str, in_memory: bool, ok: bool | None
) -> None:
    def volatile(_: Path) -> bool:
        return in_memory

    finding = doctor.reboot({SecretName.MODEL_API_KEY: SecretRef(scheme, location)}, volatile)

    assert finding.ok is ok
    assert bool(finding.remedy) is (ok is None)


def test_a_classic_token_is_proven_and_a_fine_grained_one_is_not() -> None:
    assert doctor.scopes(classic=True, declared={}).ok is True
    fine_grained = doctor.scopes(classic=False, declared={"pull_requests": "write"})
    assert fine_grained.ok is None
    assert "pull_requests: write" in fine_grained.detail


DECLARED = {"pull_requests": "write", "contents": "read"}


@pytest.mark.parametrize(
    ("granted", "ok", "told"),
    [
        ({**DECLARED, "metadata": "read"}, True, "no more"),
        ({**DECLARED, "contents": "write"}, False, "contents: write"),
        ({**DECLARED, "issues": "read"}, False, "issues: read"),
        ({**DECLARED, "issues": "something new"}, False, "issues: something new"),
        ({"pull_requests": "read", "contents": "read"}, False, "does not ask for pull_requests: write"),
        ({}, False, "does not ask for contents: read, pull_requests: write"),
    ],
)
def test_an_apps_permissions_are_held_against_the_declared_ones(granted: dict[str, str], told: str, *, ok: bool) -> None:
    found = doctor.app_permissions(granted, DECLARED)
    assert (found.ok, told in found.detail) == (ok, True)
