"""One look at a small pull request, by any agent, over a running gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from prreview_cli.core.diff import Diff
from prreview_cli.core.ports.agent import Agent, Brief, Progress
from prreview_cli.core.ports.gateway import Grant
from prreview_cli.core.ports.snapshots import ContentError, Guidelines, Match, Revision
from prreview_cli.core.toolbox import Toolbox
from prreview_cli.core.toolspecs import SERVER_NAME
from support.gateways import MODEL
from support.model_api import call

WIRE = f"mcp__{SERVER_NAME}__"
SUBMIT = call(f"{WIRE}submit_review", {"summary": "Nothing to say.", "findings": []}, "toolu_submit")
LIST = call(f"{WIRE}list_files", {}, "toolu_list")
READ = call(f"{WIRE}read_file", {"path": "thing.py"}, "toolu_read")


@dataclass
class StubSnapshot:
    """A commit with these files."""

    files: dict[str, str] = field(default_factory=lambda: {"thing.py": "print(1 / 0)\n"})
    base_sha: str = "c" * 40
    head_sha: str = "a" * 40
    diff: Diff = field(default_factory=lambda: Diff(()))
    guidelines: Guidelines | None = None

    async def list_files(self, glob: str | None, revision: Revision) -> list[str]:
        return list(self.files)

    async def read_file(self, path: str, revision: Revision) -> str:
        if path not in self.files:
            raise ContentError(f"{path} is not in the commit.")
        return self.files[path]

    async def search(self, pattern: str, glob: str | None, revision: Revision) -> list[Match]:
        return []


def toolbox(**files: str) -> Toolbox:
    return Toolbox(StubSnapshot(files or {"thing.py": "print(1 / 0)\n"}), max_comments=20)


@dataclass
class Looked:
    """What a look left behind."""

    toolbox: Toolbox
    progress: list[Progress] = field(default_factory=list)


async def look(
    agent: Agent,
    grant: Grant,
    *,
    prompt: str = "Look at this.",
    max_turns: int = 10,
    using: Toolbox | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Looked:
    looked = Looked(using or toolbox())
    brief = Brief(contract="You review pull requests. Contract ü.", prompt=prompt, model=MODEL, max_turns=max_turns)
    await agent.look(brief, looked.toolbox, grant, progress or looked.progress.append)
    return looked


def cli_of(scratch: Path) -> int:
    """The process id of the one agent that runs under `scratch`."""
    (pid,) = [int(path.read_text()) for path in scratch.glob("agent-*/pid")]
    return pid
