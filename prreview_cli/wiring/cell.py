"""What this machine has of the agent's cell."""

from __future__ import annotations

from dataclasses import dataclass

from prreview_cli import sandbox
from prreview_cli.core.profile import Profile


@dataclass(frozen=True, slots=True)
class Cell:
    """The layers that this machine has of the agent's cell. `notes` are the sentences that each review must carry:
    which layer was missing, whether it is required or not."""

    layers: frozenset[str]
    notes: tuple[str, ...] = ()


def cell(profile: Profile, *, allow_unsandboxed: bool) -> Cell:
    """Try the layers; SandboxMissing if a required one is not there and that is not allowed."""
    layers = sandbox.probe()
    absent = sandbox.missing(profile.sandbox.require, layers)
    if absent and not allow_unsandboxed:
        raise sandbox.refusal(absent)
    present = frozenset(layer.name for layer in layers if layer.present)
    lacking = [layer for layer in layers if not layer.present]
    return Cell(present, (sandbox.note(lacking),) if lacking else ())
