"""Queries with names, read from the .sql files beside this module: SQL reads as SQL."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def load(file: str) -> dict[str, str]:
    """The queries of a file, by the names that its lines `-- name: …` give them, without their comments."""
    text = files(__package__).joinpath(file).read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: _bare(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def statements(file: str) -> list[str]:
    """The statements of a migration, one by one: `executescript` would commit behind our back."""
    text = _bare(files(__package__).joinpath(file).read_text(encoding="utf-8"))
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def _bare(sql: str) -> str:
    return re.sub(r"^\s*--.*\n?", "", sql, flags=re.MULTILINE).strip().rstrip(";")
