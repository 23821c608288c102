"""From TOML's tables to the dataclasses of `core.profile`, whose fields are the only list of keys there is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from prreview_cli.core.profile import Profile, SecretName, SecretRef
from prreview_cli.secrecy import looks_like_token
from prreview_cli.settings.later import later_value
from prreview_cli.settings.problems import Problem
from prreview_cli.settings.references import not_a_reference, parse_reference
from prreview_cli.settings.rules import RULES

T = TypeVar("T")

OURS = frozenset({"name", "path"})
"""Fields of a profile that come from where the file is, not from what stands in it."""

_INTEGERS = 2**63
"""As far as a TOML integer goes; its parser goes further."""

_EXPECTED: dict[type, str] = {
    str: "a text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    tuple: "a list of texts",
    dict: "a table of texts",
    Path: "a path in quotes",
}


class _Wrong(Exception):
    """A value cannot be converted; the problems have been noted."""


class Reader:
    """Reads one document; `problems` collects everything that is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def table(self, cls: type[T], data: Mapping[str, Any], prefix: str = "", **ours: Any) -> T:
        """An instance of the dataclass from its table; _Wrong if it cannot be made."""
        before = len(self.problems)
        known = {field.name: field for field in fields(cls) if field.name not in ours}  # type: ignore[arg-type]
        hints = get_type_hints(cls)
        values = dict(ours)
        for name, value in data.items():
            if name not in known:
                self._unknown(prefix, name, list(known))
                continue
            try:
                values[name] = self._value(hints[name], value, prefix + name)
            except _Wrong:
                continue
        for name, field in known.items():
            if name not in data and _required(field):
                self._note(prefix + name, "is missing. Add it.")
        if len(self.problems) > before:
            raise _Wrong
        return cls(**values)

    def _value(self, hint: Any, value: Any, key: str) -> Any:
        hint = _without_none(hint)
        if is_dataclass(hint):
            return self.table(hint, self._typed(dict, value, key), f"{key}.")  # type: ignore[arg-type]
        if get_args(hint)[:1] == (SecretName,):
            return self._secrets(self._typed(dict, value, key), key)
        converted = self._typed(get_origin(hint) or hint, value, key)
        if later := later_value(key, converted):
            self._note(key, later, not_yet=True)
            raise _Wrong
        if (rule := RULES.get(key)) and (complaint := rule(converted)):
            self._note(key, complaint)
            raise _Wrong
        return converted

    def _typed(self, wanted: type, value: Any, key: str) -> Any:
        """The value as `wanted`, without guessing: only a whole number may stand for a number."""
        if type(value) is int and not -_INTEGERS <= value < _INTEGERS:
            self._note(key, "is a number with too many digits.")
            raise _Wrong
        if wanted is float and type(value) in {int, float} and math.isfinite(value):
            return float(value)
        if wanted is Path and isinstance(value, str):
            return Path(value)
        if wanted is tuple and isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        if type(value) is wanted and wanted is not float:
            return value
        self._note(key, f"must be {_EXPECTED[wanted]}.")
        raise _Wrong

    def _secrets(self, data: dict[str, Any], key: str) -> dict[SecretName, SecretRef]:
        references: dict[SecretName, SecretRef] = {}
        for name, value in data.items():
            if name not in list(SecretName):
                self._unknown(f"{key}.", name, list(SecretName))
            elif not isinstance(value, str):
                self._note(f"{key}.{name}", "must be a text in quotes.")
            elif (reference := parse_reference(value)) is None:
                self._note(f"{key}.{name}", not_a_reference(SecretName(name)))
            else:
                references[SecretName(name)] = reference
        return references

    def _unknown(self, prefix: str, name: str, known: list[str]) -> None:
        key = prefix + name
        close = get_close_matches(name, known, n=1)
        meant = f"Did you mean {prefix}{close[0]}?" if close else f"Known here: {', '.join(known)}."
        self._note(key, f"is not a known key. {meant}")

    def _note(self, key: str, message: str, *, not_yet: bool = False) -> None:
        self.problems.append(Problem(key, f"{_plain(key)} {message}", not_yet=not_yet))


def read_document(data: Mapping[str, Any], name: str, path: Path) -> tuple[Profile | None, list[Problem]]:
    """The profile that a parsed document describes, or None and everything that is wrong with it."""
    reader = Reader()
    try:
        return reader.table(Profile, data, name=name, path=path), []
    except _Wrong:
        return None, reader.problems


def hint_of(key: str) -> Any:
    """The type of the value at a dotted key (`workers.count`), without its None; KeyError if there is no such key."""
    hint: Any = Profile
    for part in key.split("."):
        if get_args(hint)[:1] == (SecretName,):
            hint = {str(name): str for name in SecretName}[part]
        elif is_dataclass(hint) and not (hint is Profile and part in OURS):
            hint = _without_none(get_type_hints(hint)[part])
        else:
            raise KeyError(key)
    return hint


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _without_none(hint: Any) -> Any:
    """`X` of `X | None`."""
    inner = [argument for argument in get_args(hint) if argument is not NoneType]
    return inner[0] if NoneType in get_args(hint) else hint


def _plain(key: str) -> str:
    """A key as a message may name it: an unknown one is whatever stood in the file."""
    if looks_like_token(key):
        return "A key that looks like a secret's value"
    return key if key.isascii() and key.isprintable() and len(key) <= 80 else ascii(key[:60])
