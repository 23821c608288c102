"""Who looks at a pull request: Claude in its cell, or a small loop of our own for tests."""

from prreview_cli.agents.claude import ClaudeAgent
from prreview_cli.agents.scripted import ScriptedAgent

__all__ = ["ClaudeAgent", "ScriptedAgent"]
