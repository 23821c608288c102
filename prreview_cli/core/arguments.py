"""What a model gives a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prreview_cli.core import globs
from prreview_cli.core.ports.snapshots import ContentError, Revision


class Arguments:
    """A tool's arguments, read strictly: a model that mistypes one is told, not obeyed by half. All errors are ContentError."""

    __slots__ = ("given",)

    def __init__(self, given: Mapping[str, Any], *keys: str) -> None:
        unknown = [key for key in given if key not in keys]
        if unknown:
            raise ContentError(f"There is no argument {unknown[0]!r:.60}; the arguments are {', '.join(keys)}.")
        self.given = given

    def optional(self, key: str) -> str | None:
        """The text under `key`, None if it is not given."""
        value = self.given.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            raise ContentError(f"{key} must be a text that is not empty.")
        return value

    def text(self, key: str) -> str:
        """The text under `key`."""
        value = self.optional(key)
        if value is None:
            raise ContentError(f"{key} is missing.")
        return value

    def line(self, key: str) -> int | None:
        """The line's number under `key`, None if it is not given."""
        value = self.given.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
            return value
        raise ContentError(f"{key} must be a line's number, from 1 on.")

    def glob(self) -> str | None:
        """The glob, if one is given."""
        glob = self.optional("glob")
        if glob is not None:
            try:
                globs.matcher(glob)
            except ValueError as error:
                raise ContentError(str(error)) from None
        return glob

    def revision(self) -> Revision:
        """Which commit is meant; the head unless said otherwise."""
        value = self.optional("revision")
        if value is not None and value not in set(Revision):
            raise ContentError('revision must be "head" or "base".')
        return Revision(value or Revision.HEAD)
