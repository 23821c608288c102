"""The composition root: a profile becomes live parts. The only place that names concrete classes."""

from prreview_cli.wiring.cell import Cell, cell
from prreview_cli.wiring.clock import SystemClock
from prreview_cli.wiring.house import House
from prreview_cli.wiring.listening import listeners, ops_listener, webhook_dialect
from prreview_cli.wiring.reviewing import Crew, Desk, crew, desk, foreground, resolve_range

__all__ = [
    "Cell",
    "Crew",
    "Desk",
    "House",
    "SystemClock",
    "cell",
    "crew",
    "desk",
    "foreground",
    "listeners",
    "ops_listener",
    "resolve_range",
    "webhook_dialect",
]
