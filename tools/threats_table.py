"""Fills the last two columns of the threats' table in SECURITY.md from the tests, or with --check says what does not fit.

A test in tests/security belongs to the numbers in its name: `test_threat_07_…`, `test_threat_44_and_45_…`. One that takes its
control away itself and sees the attack succeed says which: `@pytest.mark.without("the sanitiser")`. A number that has no test
stands in the section "Without a test" with its reason.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "SECURITY.md"
TESTS = ROOT / "tests" / "security"
NUMBERS = range(1, 70)
CRITICAL = frozenset({1, 2, 11, 17, 23, 24, 25, 27, 30, 32, 33, 34, 35, 36, 44, 46, 47, 52, 57, 62})
NOTHING = "—"

_NAME = re.compile(r"test_threat_(\d\d(?:_and_\d\d)*)_")
_ROW = re.compile(r"^\| (\d+) ([CHML]) \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_REASON = re.compile(r"^- (\d+): (.{20,})$", re.MULTILINE)


@dataclass
class Shown:
    """Where a threat's tests are, and which controls they take away."""

    files: set[str] = field(default_factory=set)
    without: list[str] = field(default_factory=list)

    def cells(self) -> tuple[str, str]:
        """The last two columns."""
        files = ", ".join(f"[{name}](tests/security/{name})" for name in sorted(self.files))
        return files or NOTHING, "; ".join(sorted(set(self.without))) or NOTHING


def collect(folder: Path) -> dict[int, Shown]:
    """What the tests in a folder show, by number; they are read and not imported."""
    found: dict[int, Shown] = {}
    for path in sorted(folder.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (name := _NAME.match(node.name)):
                for number in map(int, name[1].split("_and_")):
                    shown = found.setdefault(number, Shown())
                    shown.files.add(path.name)
                    shown.without += _controls(node)
    return found


def _controls(test: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The arguments of its `pytest.mark.without` markers."""
    calls = [mark for mark in test.decorator_list if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.without"]
    return [str(ast.literal_eval(call.args[0])) for call in calls]


def filled(page: str, shown: dict[int, Shown]) -> str:
    """The page with its last two columns as the tests have them."""

    def row(found: re.Match[str]) -> str:
        return f"| {found[1]} {found[2]} | {' | '.join((found[3], found[4], *shown.get(int(found[1]), Shown()).cells()))} |"

    return _ROW.sub(row, page)


def problems(page: str, shown: dict[int, Shown]) -> list[str]:
    """Sentences that say what does not fit; none if page and tests say the same."""
    levels = [(int(found[1]), found[2]) for found in _ROW.finditer(page)]
    reasons = {int(found[1]) for found in _REASON.finditer(page)}
    wrong = (
        [] if [number for number, _ in levels] == list(NUMBERS) else ["The table does not have each number from 1 to 69 once, in order."]
    )
    if frozenset(number for number, level in levels if level == "C") != CRITICAL:
        wrong.append("The rows marked C are not the critical ones.")
    wrong += [f"There is no threat {number}." for number in shown.keys() - set(NUMBERS)]
    for number in NUMBERS:
        if (number in shown) == (number in reasons):
            wrong.append(f"Threat {number} needs a test or a reason why it has none, and not both.")
        elif number in CRITICAL & shown.keys() and not shown[number].without:
            wrong.append(f"Threat {number} is critical, and no test of it takes its control away.")
    if filled(page, shown) != page:
        wrong.append("The table is not what the tests are: run `just threats`.")
    return wrong


def main() -> int:
    """Exit 1 if the table does not fit."""
    shown = collect(TESTS)
    if "--check" not in sys.argv:
        PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), shown), encoding="utf-8")
        return 0
    wrong = problems(PAGE.read_text(encoding="utf-8"), shown)
    print("\n".join(wrong) or "The table of threats fits the tests.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
