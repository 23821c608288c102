"""How help reads: examples whole in their lines, commands with all their words, arguments as they are typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from prreview_cli.cli.commands.later import refuse_later
from prreview_cli.cli.interruption import may_interrupt


class Examples:
    """Writes what stands below the options line by line, as it was written: a command that is folded cannot be copied."""

    epilog: str | None

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        del ctx
        if self.epilog:
            formatter.write("".join(["\n", *(f"  {line}\n" for line in self.epilog.split("\n"))]))


class Command(Examples, TyperCommand):
    """A verb."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces = [_usage(param) for param in self.get_params(ctx) if _is_argument(param) and param.get_help_record(ctx)]
        return [self.options_metavar or "", *pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments by their names alone: what may stand for one is said in its help."""
        params = [(param, param.get_help_record(ctx)) for param in self.get_params(ctx)]
        sections = {
            "Arguments": [(_name(param), record[1]) for param, record in params if record and _is_argument(param)],
            "Options": [_option(param, ctx, record) for param, record in params if record and not _is_argument(param)],
        }
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def invoke(self, ctx: Any) -> Any:
        may_interrupt()
        return super().invoke(ctx)


class Group(Examples, TyperGroup):
    """A group of commands; refuses those of later versions by name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        refuse_later(ctx.info_name or "" if ctx.parent else "", args[0])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Each with its first sentence, folded and not cut."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(_WHOLE)) for name, command in found if command and not command.hidden])


_KINDS = {"<int>": "N", "<int range>": "N", "<float>": "N", "<float range>": "N", "<str>": "TEXT"}
"""How Typer names what an option takes, and how it is said here."""
_WHOLE = 1000
"""Characters of a first sentence; none is so long."""


class App(typer.Typer):
    """A Typer application whose commands read so."""

    def command(self, *args: Any, **settings: Any) -> Callable[[Any], Any]:
        return super().command(*args, **{"cls": Command, **settings})


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _name(param: Any) -> str:
    return str(param.metavar or param.name.upper())


def _option(param: Any, ctx: Any, record: tuple[str, str]) -> tuple[str, str]:
    shown = param.display_type(ctx)
    return record[0].replace(shown, _KINDS.get(shown, shown)), record[1]


def _usage(param: Any) -> str:
    """As it is typed: several words of their own meaning are named one by one."""
    several = "..." if param.nargs != 1 and " " not in _name(param) else ""
    return f"{_name(param)}{several}" if param.required else f"[{_name(param)}{several}]"
