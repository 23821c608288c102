"""What is wrong with a profile, one sentence a problem, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prreview_cli.core.errors import NotYetKept, ProfileError
from prreview_cli.secrecy import looks_like_token

SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a profile is refused. `key` is dotted, and empty where none is to blame.

    `message` names the key and, unless `remedy` does, what to do. `not_yet`: the specification knows
    it, this version does not keep it.
    """

    key: str
    message: str
    line: int | None = None
    not_yet: bool = False
    remedy: str = ""

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


def shown(value: Any) -> str:
    """A value as a message may repeat it: short, escaped, and never what could be a secret."""
    if isinstance(value, str) and (len(value) > SHOWN_CHARACTERS or looks_like_token(value)):
        return "this text"
    return ascii(value)


def refusal(path: Path, problems: Sequence[Problem], remedy: str | None = None) -> ProfileError | NotYetKept:
    """The one error that names every problem of the file at `path`."""
    if len(problems) == 1:
        told = f"{path}{': ' if problems[0].line is None else ', '}{problems[0]}"
    else:
        told = "\n".join([f"{path} has {len(problems)} problems.", *(f"  {problem}" for problem in problems)])
    kind = NotYetKept if all(problem.not_yet for problem in problems) else ProfileError
    return kind(told, remedy=remedy)
