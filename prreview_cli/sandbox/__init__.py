"""How a child is started: what it sees, what it reaches, and that it never outlives us."""

from prreview_cli.sandbox.cell import Layer, missing, note, probe, refusal
from prreview_cli.sandbox.child import Completed, environment, run
from prreview_cli.sandbox.program import Confinement, ProgramFile

__all__ = ["Completed", "Confinement", "Layer", "ProgramFile", "environment", "missing", "note", "probe", "refusal", "run"]
