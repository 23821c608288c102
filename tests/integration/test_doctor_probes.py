"""What `doctor` asks of the bundled CLI, of git and of the host's headers, each in a state that it must find."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import respx

from prreview_cli.agents.claude import bundled
from prreview_cli.core.errors import HostUnreachable, UsageError
from prreview_cli.hosts.github.auth import TokenAccess
from prreview_cli.hosts.github.introduction import introduce
from prreview_cli.secrecy import Secret
from prreview_cli.snapshots import requirements
from support.fakes import NOON

ROOT = Path(__file__).resolve().parents[2]


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


async def test_the_cli_that_is_installed_is_the_one_that_belongs_here() -> None:
    assert (await bundled.check()).endswith("of claude-agent-sdk 0.2.187")


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo '9.9.9 (Claude Code)'", "says that it is '9.9.9"),
        ("exit 3", "exit code 3"),
        ('test -z "$ANTHROPIC_API_KEY" || echo 1.0.0', "says that it is ''"),
    ],
)
async def test_another_cli_is_found_and_it_sees_nothing_of_our_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: str
) -> None:
    program(tmp_path / "_bundled" / "claude", script)
    (tmp_path / "_cli_version.py").write_text('__cli_version__ = "1.0.0"\n')
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "inherited")

    with pytest.raises(UsageError) as caught:
        await bundled.check()

    assert told in str(caught.value)
    assert "Reinstall" in caught.value.remedy


async def test_a_missing_cli_and_another_sdk_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "_cli_version.py").write_text('__cli_version__ = "1.0.0"\n')
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    with pytest.raises(UsageError, match="There is no CLI"):
        await bundled.check()
    monkeypatch.setattr(bundled, "_pinned", lambda: "0.0.1")
    with pytest.raises(UsageError, match=r"is pinned to 0\.0\.1"):
        await bundled.check()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("echo git version 2.30.9", "2.31 or newer"),
        ("echo nonsense", "2.31 or newer"),
        ('[ "$1" = version ] && echo git version 2.39.5 || echo "fatal: cannot use Perl-compatible regexes" >&2', "without PCRE"),
        ('[ "$1" = version ] && echo git version 2.39.5', "cannot be confined"),
        (None, "There is no git"),
    ],
)
async def test_a_git_that_snapshots_cannot_use_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, told: str
) -> None:
    if script is not None:
        program(tmp_path / "git", script)
    monkeypatch.setattr(requirements, "environment", lambda extra: {**extra, "PATH": str(tmp_path)})

    with pytest.raises(UsageError, match=told):
        await requirements.check_git()


async def test_this_machines_git_will_do() -> None:
    assert (await requirements.check_git()).startswith("2.")


@respx.mock
async def test_the_hosts_clock_and_the_kind_of_token_are_read_from_its_headers() -> None:
    headers = {"date": "Tue, 24 Nov 2026 11:58:00 GMT", "x-oauth-scopes": ""}
    respx.get("http://host.test/user").respond(401, headers=headers)

    met = await introduce("http://host.test", TokenAccess(lambda: Secret("a-token")), lambda: NOON)

    assert (met.lists_scopes, met.host_time, met.our_time) == (True, datetime(2026, 11, 24, 11, 58, tzinfo=UTC), NOON)


@respx.mock
@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
async def test_a_host_without_a_time_is_no_error(headers: dict[str, str]) -> None:
    respx.get("http://host.test/user").respond(200, headers=headers)

    met = await introduce("http://host.test", TokenAccess(lambda: Secret("a-token")), lambda: NOON)

    assert (met.lists_scopes, met.host_time) == (False, None)


async def test_a_host_that_is_not_there_is_unreachable() -> None:
    with pytest.raises(HostUnreachable):
        await introduce("http://127.0.0.1:1", TokenAccess(lambda: Secret("a-token")), lambda: NOON)


def test_systemd_accepts_the_unit_and_it_lets_the_cell_be_built(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("There is no systemd here.")
    unit = (ROOT / "deploy" / "prreview.service").read_text()
    assert "landlock_restrict_self" in unit
    assert not [line for line in unit.splitlines() if line.startswith("MemoryDenyWriteExecute")]
    here = tmp_path / "prreview.service"
    here.write_text(unit.replace("/opt/prreview/.venv/bin/prreview", "/bin/true").replace("=prreview\n", "=root\n"))

    run = subprocess.run([analyze, "verify", here], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60, check=False)

    assert (run.returncode, run.stderr) == (0, "")
