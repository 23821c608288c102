"""What the tests of and with the simulators share."""

from __future__ import annotations

import asyncio
import base64
import time
from datetime import UTC, datetime
from pathlib import Path

TOKEN = "github_pat_for_the_tests_0123456789"
KEY = "sk-ant-for-the-tests-0123456789"
MINI_SERVER = Path(__file__).with_name("mini_server.py")


class MachineClock:
    """The machine's clock, for what runs beside real processes."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(max(0.0, seconds), over.set)
        await over.wait()


def git_environment(home: Path, token: str | None = None) -> dict[str, str]:
    """A git client's whole environment; the token travels as GitHub wants it."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    if token is None:
        return environment
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    header = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}"}
    return environment | header
