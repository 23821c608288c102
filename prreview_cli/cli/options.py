"""Options that many verbs share, so that they read and mean the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

from prreview_cli.core.ports.agent import AgentKind

ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", "-p", metavar="NAME", help="The profile, by name or by path. Default: PRREVIEW_PROFILE.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
UnsandboxedOption = Annotated[
    bool, typer.Option("--allow-unsandboxed", help="Start the agent although a required layer of its cell is missing; the review says so.")
]
AgentOption = Annotated[AgentKind, typer.Option("--agent", hidden=True, help="Who looks: claude, or scripted for trials.")]
