from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from prreview_cli.core.errors import ProfileError
from prreview_cli.core.profile import Host, Model, Profile
from prreview_cli.hosts import code_host, webhook
from prreview_cli.hosts.github.auth import TokenAccess
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.hosts.github.webhook import GitHubWebhook
from prreview_cli.secrecy import Secret
from support.clocks import FakeClock

PROFILE = Profile("test", Path("/etc/prreview/test.toml"), "test", Model("claude-test-1"))


async def test_the_profile_chooses_who_speaks() -> None:
    host = code_host(PROFILE, TokenAccess(lambda: Secret("x")), FakeClock(), str)
    assert isinstance(host, GitHubHost)
    assert isinstance(webhook(PROFILE, list), GitHubWebhook)
    await host.close()


def test_a_kind_that_is_not_there_is_refused_by_name() -> None:
    other = replace(PROFILE, host=Host(kind="gitea"))
    for choose in (lambda: code_host(other, TokenAccess(lambda: Secret("x")), FakeClock(), str), lambda: webhook(other, list)):
        with pytest.raises(ProfileError, match="'gitea'"):
            choose()


def test_choosing_loads_no_http_client() -> None:
    program = "import sys, prreview_cli.hosts.github.host, prreview_cli.hosts.github.webhook; print('httpx' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.strip() == "False"
