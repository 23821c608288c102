"""Finding and reading profiles. There is no default one, and none is looked for in the working directory."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from prreview_cli.core.errors import ProfileError, UsageError
from prreview_cli.core.profile import Profile
from prreview_cli.settings.lines import lines_of
from prreview_cli.settings.problems import Problem, refusal
from prreview_cli.settings.relations import broken_relations
from prreview_cli.settings.schema import read_document
from prreview_cli.settings.trust import read_trusted

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MAX_BYTES = 1 << 20


def profiles_folder(environ: Mapping[str, str]) -> Path:
    """Where profiles are looked up: `PRREVIEW_PROFILES_DIR`, else the user's configuration folder."""
    if named := environ.get("PRREVIEW_PROFILES_DIR"):
        folder = Path(named)
        if not folder.is_absolute():
            raise UsageError("PRREVIEW_PROFILES_DIR is not an absolute path.", remedy="Name the folder from / on.")
        return folder
    import platformdirs  # noqa: PLC0415 - only where the folder is not named

    return platformdirs.user_config_path("prreview") / "profiles"


def profile_paths(environ: Mapping[str, str]) -> list[Path]:
    """The profiles there are, by name."""
    folder = profiles_folder(environ)
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml" and NAME_PATTERN.fullmatch(path.stem))
    except OSError:
        return []


def find_profile(chosen: str | None, environ: Mapping[str, str]) -> Path:
    """The file of the profile that `--profile` (`chosen`) or else `PRREVIEW_PROFILE` names.

    A name with a slash, or one that ends in .toml, is a path. UsageError, with the list of those there
    are, if none is chosen or the chosen one is not there.
    """
    name = environ.get("PRREVIEW_PROFILE", "") if chosen is None else chosen
    if not name:
        raise UsageError(f"No profile is chosen. {_those_there_are(environ)}", remedy=_how_to_choose())
    if "/" in name or name.endswith(".toml"):
        path = Path(name).absolute()
        if not is_there(path):
            raise UsageError(f"There is no profile at {path}.", remedy=_how_to_choose())
        return path
    path = profiles_folder(environ) / f"{name}.toml"
    if not NAME_PATTERN.fullmatch(name) or not is_there(path):
        raise UsageError(f"There is no profile named {name!a}. {_those_there_are(environ)}", remedy=_how_to_choose())
    return path


def is_there(path: Path) -> bool:
    """Whether something has this name; what we may not look at is told when it is read."""
    try:
        return path.exists()
    except PermissionError:
        return True
    except OSError:
        return False


def load_profile(chosen: str | None, environ: Mapping[str, str] = os.environ) -> Profile:
    """The chosen profile, whole and sound; UsageError, ProfileError or NotYetKept otherwise."""
    return read_profile(find_profile(chosen, environ))


def read_profile(path: Path) -> Profile:
    """The profile in this file; ProfileError (NotYetKept) names every problem, with key, line and remedy."""
    profile, problems = examine_text(read_text(path), path)
    if profile is None:
        raise refusal(path, problems)
    return profile


def read_text(path: Path) -> str:
    """The text of a profile's file; ProfileError if it cannot be had or others could have written it."""
    try:
        return read_trusted(path, MAX_BYTES).decode()
    except UnicodeDecodeError as error:
        raise ProfileError(f"{path} is not UTF-8 text, from byte {error.start} on.") from None
    except OSError as error:
        raise ProfileError(f"{path} cannot be read: {error.strerror}.", remedy="See that it is there and that you may read it.") from None


def examine_text(text: str, path: Path) -> tuple[Profile | None, list[Problem]]:
    """The profile that `text` describes, or None and everything that is wrong with it, in the order of lines."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        return None, [Problem("", f"This is not TOML: {error}.", int(line[1]) if line else text.count("\n") + 1)]
    except (ValueError, RecursionError):  # thousands of digits, or of brackets
        return None, [Problem("", "A number in it is too long, or a list too deeply nested, to be read.")]
    profile, problems = read_document(document, path.stem, path)
    if profile is not None:
        problems = list(broken_relations(profile))
    lines = lines_of(text)
    problems = [replace(problem, line=_line(problem.key, lines)) for problem in problems]
    problems.sort(key=lambda problem: (problem.line is None, problem.line))
    return (None if problems else profile), problems


def _line(key: str, lines: Mapping[tuple[str, ...], int]) -> int | None:
    """The line of a key, or of the nearest table around it that is there."""
    path = tuple(key.split("."))
    return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)


def _those_there_are(environ: Mapping[str, str]) -> str:
    names = [path.stem for path in profile_paths(environ)]
    folder = profiles_folder(environ)
    return f"There are: {', '.join(names)} (in {folder})." if names else f"There is none yet in {folder}."


def _how_to_choose() -> str:
    return "Choose one with --profile NAME or PRREVIEW_PROFILE, or make one with `prreview profile create NAME --template prod`."
