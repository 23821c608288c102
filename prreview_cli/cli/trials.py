"""What the trials have in common on the command line."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Agent(StrEnum):
    """Who reviews."""

    CLAUDE = "claude"
    SCRIPTED = "scripted"


TrialAgentOption = Annotated[Agent, typer.Option(help="The real Claude CLI, or a light stand-in for it.")]
