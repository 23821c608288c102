"""A job's folder: everything the agent's process writes is in it, and it goes when the job goes."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from prreview_cli.sandbox import FILES, NETWORK, Confinement, Enclosure, Handover, ProgramFile
from prreview_cli.sandbox.child import kill_group
from prreview_cli.sandbox.scratch import remove
from prreview_cli.telemetry import logger

_log = logger("agent")

_FROM_THE_SDK = ("CLAUDE_CODE_ENTRYPOINT", "CLAUDE_AGENT_SDK_VERSION", "CLAUDE_CODE_SDK_READS_SESSION_STATE")

TOOL_ANSWER_AT_MOST = 200_000
"""Characters, and tokens: below this the CLI hands a tool's answer on instead of putting it into a file."""

MAX_OUTPUT_TOKENS = 16_000
"""Of one answer: four times the longest review, and little enough for a few answers under the smallest caps."""


class JobFolder:
    """A private folder of one look. The agent's process may write beneath `cell` alone; what starts it stands beside."""

    def __init__(self, scratch: Path) -> None:
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = Path(tempfile.mkdtemp(prefix="agent-", dir=scratch)).resolve()  # in a root of its own no link leads here
        self.cell = self.path / "cell"
        self.desk = self.cell / "desk"  # the CLI's working directory: always empty
        self.handover: Handover | None = None
        self.cell.mkdir(mode=0o700)
        for name in ("home", "tmp", "run", "config", "bin", "desk"):
            (self.cell / name).mkdir(mode=0o700)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        if self.handover is not None:
            self.handover.close()
        remove(self.path)
        if self.path.exists():
            _log.warning("job_folder_left", path=str(self.path))

    def contract(self, text: str) -> Path:
        """Write the system prompt where the agent can read it; as an argument it would stand in `ps`."""
        path = self.path / "contract.md"
        path.write_text(text, encoding="utf-8")
        return path

    def program(self, cli: Path, base_url: str, token: str, *, layers: Collection[str]) -> Path:
        """Write the program that starts the CLI with exactly the environment of this job and these layers of its cell;
        its path. With the network layer, `handover` has the other side of `base_url` once the CLI runs."""
        environment = {**self._places(), **_SETTINGS, "ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_API_KEY": token}
        return ProgramFile(cli, environment, keep=_FROM_THE_SDK, confinement=self._confinement(base_url, layers)).write(self.path)

    def _confinement(self, base_url: str, layers: Collection[str]) -> Confinement | None:
        if not layers:
            return None
        enclosure = None
        if NETWORK in layers:
            root, port = self.path / "root", urlsplit(base_url).port
            root.mkdir(mode=0o700)
            self.handover = Handover(self.path / "door")
            enclosure = Enclosure(root, port or 80, self.handover.path)
        return Confinement((self.path / "contract.md",), (self.cell,), files=FILES in layers, enclosure=enclosure)

    def kill(self) -> None:
        """Kill the agent's process and all it started; if it is only about to start, it will not."""
        with suppress(FileNotFoundError):
            (self.path / "order").unlink()
        with suppress(FileNotFoundError, ValueError):
            kill_group(int((self.path / "pid").read_text(encoding="ascii")))

    def _places(self) -> dict[str, str]:
        names = {"PATH": "bin", "HOME": "home", "TMPDIR": "tmp", "XDG_RUNTIME_DIR": "run", "CLAUDE_CONFIG_DIR": "config"}
        return {name: str(self.cell / folder) for name, folder in names.items()}


_SETTINGS = {
    "LANG": "C.UTF-8",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",  # else it calls others, and names its session with the main model
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_COMPACT": "1",  # a conversation too long for the model fails, instead of going on without what it saw
    "CLAUDE_CODE_MAX_RETRIES": "0",  # the gateway tries again
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST": "1",
    "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1",
    "ENABLE_TOOL_SEARCH": "0",
    "FORCE_PROMPT_CACHING_5M": "1",  # the price table knows no other
    "API_TIMEOUT_MS": "900000",  # longer than the gateway waits
    "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": "300000",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(MAX_OUTPUT_TOKENS),
    "MAX_MCP_OUTPUT_TOKENS": str(TOOL_ANSWER_AT_MOST),
}
