"""What an operator reads when something goes wrong: whole sentences, and always what to do next."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import prreview_cli
from prreview_cli.core import errors
from prreview_cli.core.errors import ExitCode, PrreviewError

PACKAGE = Path(prreview_cli.__file__).parent


def every(error: type[PrreviewError] = PrreviewError) -> Iterator[type[PrreviewError]]:
    yield error
    for member in error.__subclasses__():
        yield from every(member)


TYPES = {error.__name__: error for error in every() if error.__module__ == errors.__name__}


BEGINNING = re.compile(r"[A-Z`{\[]|[a-z]+\.[a-z_]+ |--[a-z]|git[ ']")
"""A capital, or what is written small wherever it stands: a profile's key, an option, git."""
ENDING = re.compile(r"[.?}]$|: [^:]*(prreview |--\w+ )[^:]*$")
"""A full stop, a question, what is filled in, or an example of a command."""


def is_sentence(text: str) -> bool:
    """It begins like one and ends like one."""
    return bool(BEGINNING.match(text) and ENDING.search(text)) and "  " not in text and "\n" not in text


@pytest.mark.parametrize("error", TYPES.values(), ids=TYPES)
def test_every_error_says_what_it_means_and_what_to_do_in_sentences(error: type[PrreviewError]) -> None:
    assert is_sentence(" ".join((error.__doc__ or "").split("\n\n")[0].split()))
    assert is_sentence(error.default_remedy)
    assert isinstance(error.exit_code, ExitCode)


def test_a_kind_names_one_error() -> None:
    raised = [error for error in TYPES.values() if error not in {PrreviewError, errors.Failure}]
    kinds = [error.kind for error in raised]
    assert sorted(kinds) == sorted(set(kinds))


def test_a_failure_knows_its_class_before_its_family() -> None:
    """A command that ends as a stored failure did finds its exit code by the kind."""
    assert all(not error.__subclasses__() for error in errors.Failure.__subclasses__()), "`Failure.__subclasses__()` is all of them"


def shown(node: ast.expr) -> str | None:
    """A message as it is written, with {} for what is filled in; None where it is made elsewhere."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return None if (one := shown(left)) is None or (other := shown(right)) is None else one + other
    return None


def messages() -> Iterator[tuple[str, str]]:
    """(place, text) of every message and remedy that stands in the code."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
            if name not in TYPES:
                continue
            told = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "remedy")]
            for text in filter(None, map(shown, told)):
                yield f"{file.relative_to(PACKAGE)}:{node.lineno}", text


def test_every_message_in_the_code_is_a_sentence() -> None:
    found = list(messages())
    assert len(found) > 100, "the search has gone blind"
    assert [(place, text) for place, text in found if not is_sentence(text)] == []


def test_the_generated_page_names_every_error() -> None:
    page = (PACKAGE.parent / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    raised = [error for error in TYPES.values() if error not in {PrreviewError, errors.Failure}]
    assert [error.kind for error in raised if f"| `{error.kind}` | `{error.__name__}` |" not in page] == []
    assert inspect.getdoc(errors.ModelGone) in page
