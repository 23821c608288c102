"""How a child is started: what it sees, what it reaches, and that it never outlives us."""

from prreview_cli.sandbox.cell import FILES, NETWORK, Layer, missing, note, probe, refusal
from prreview_cli.sandbox.child import Completed, environment, run
from prreview_cli.sandbox.handover import Handover
from prreview_cli.sandbox.program import Confinement, Enclosure, NotAProgram, ProgramFile

__all__ = [
    "FILES",
    "NETWORK",
    "Completed",
    "Confinement",
    "Enclosure",
    "Handover",
    "Layer",
    "NotAProgram",
    "ProgramFile",
    "environment",
    "missing",
    "note",
    "probe",
    "refusal",
    "run",
]
