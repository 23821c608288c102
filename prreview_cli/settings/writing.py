"""Writing profiles. `tomli-w` writes values; comments do not survive it."""

from __future__ import annotations

import os
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, get_origin

from prreview_cli.core.errors import ProfileError, UsageError
from prreview_cli.core.profile import Profile, SecretRef
from prreview_cli.settings.problems import refusal
from prreview_cli.settings.profiles import examine_text
from prreview_cli.settings.schema import OURS, hint_of


def to_mapping(profile: Profile) -> dict[str, Any]:
    """The whole profile as TOML would hold it, defaults included; what is unset is left out."""
    whole = asdict(profile) | {"secrets": {name: str(reference) for name, reference in profile.secrets.items()}}
    plain = _plain({key: value for key, value in whole.items() if key not in OURS})
    return dict(plain)


def as_toml(mapping: Mapping[str, Any]) -> str:
    """The mapping as TOML text."""
    import tomli_w  # noqa: PLC0415 - only the two verbs that write need it

    return tomli_w.dumps(mapping)


def write_profile(path: Path, mapping: Mapping[str, Any]) -> Path | None:
    """Write a profile to `path`, whole or not at all; where a copy of the former file is now, if there was one.

    A new file is for this user alone; one that was there keeps its mode and, where we may give it away, its owner.
    ProfileError, and nothing written, if it would not be sound or cannot be written.
    """
    return write_text(path, as_toml(mapping))


def write_text(path: Path, text: str) -> Path | None:
    """As `write_profile`, of a text that keeps its comments."""
    profile, problems = examine_text(text, path)
    if profile is None:
        unseen = [replace(problem, line=None) for problem in problems]  # the lines of a text that nobody will see
        raise refusal(path, unseen, remedy="Nothing was written. Choose another value.")
    path = path.resolve()  # a link stays a link
    former = path.with_name(f"{path.name}.bak") if path.exists() else None
    try:
        before = path.stat() if former else None
        if former:
            _put(former, path.read_text(encoding="utf-8"), before)
        _put(path, text, before)
    except OSError as error:
        raise ProfileError(f"{path} cannot be written: {error.strerror}.", remedy="See that you may write its folder.") from None
    return former


def with_value(mapping: Mapping[str, Any], key: str, text: str) -> dict[str, Any]:
    """A copy of a profile's mapping in which the dotted key has the value that `text` is, by the key's own type."""
    *tables, last = key.split(".")
    value = _value(key, text)
    changed = dict(mapping)
    inner = changed
    for table in tables:
        inner[table] = dict(inner.get(table) or {})
        inner = inner[table]
    inner[last] = value
    return changed


def _value(key: str, text: str) -> Any:
    try:
        hint = hint_of(key)
    except KeyError:
        raise UsageError(f"A profile has no key {key!a}.", remedy="`prreview profile show` lists all of them.") from None
    if hint in {str, Path} or issubclass(hint if isinstance(hint, type) else object, StrEnum):
        return text
    if get_origin(hint) is tuple and not text.startswith("["):
        return [item.strip() for item in text.split(",") if item.strip()]
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    if parsed.keys() != {"value"}:
        raise UsageError(
            f"The value for {key} is not of its type.", remedy='Write 6, 1.5, true, one,two or { name = "value" } as the key needs it.'
        )
    return parsed["value"]


def _put(path: Path, text: str, like: os.stat_result | None) -> None:
    """Write the file in one step that a power cut cannot halve, for this user alone or for whom the former was."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if like is not None:
                # A service's profile is root's and read by another user: `sudo prreview profile set` must not lock it out.
                with suppress(PermissionError):
                    os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _plain(value: Any) -> Any:
    """Values as TOML and JSON have them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, (Path, StrEnum, SecretRef)) else value
