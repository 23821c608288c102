"""Claude, as the bundled CLI of claude-agent-sdk runs it, in a cell."""

from prreview_cli.agents.claude.session import ClaudeAgent

__all__ = ["ClaudeAgent"]
