"""Verbs of the specification that this version does not have yet: refused by name, not as typing errors."""

from __future__ import annotations

from prreview_cli.core.errors import NotYetKept

LATER_COMMANDS: tuple[str, ...] = ()
LATER_SUBCOMMANDS = {"profile": ("diff",)}


def refuse_later(group: str, command: str) -> None:
    """NotYetKept if this verb (of this group; of none if it is empty) comes with a later version."""
    if command in (LATER_SUBCOMMANDS.get(group, ()) if group else LATER_COMMANDS):
        name = f"prreview {group} {command}" if group else f"prreview {command}"
        raise NotYetKept(f"`{name}` is not in this version yet.", remedy="See `prreview --help` for what is; CHANGELOG names what comes.")
