"""The layers of the agent's cell that this machine has."""

from __future__ import annotations

from prreview_cli import sandbox

PRESENT = frozenset(layer.name for layer in sandbox.probe() if layer.present)
