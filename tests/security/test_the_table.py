"""SECURITY.md and the tests say the same: each threat has its row, its test or its reason, and each critical one was seen to fail."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "threats_table.py"))
NUMBERS, CRITICAL = TOOL["NUMBERS"], TOOL["CRITICAL"]
UNTESTED = "## Without a test\n\n- 12: It would need a machine of its own, and nobody has one.\n"


def test_each_threat_has_its_row_its_tests_and_its_proof() -> None:
    assert TOOL["problems"]((ROOT / "SECURITY.md").read_text(), TOOL["collect"](ROOT / "tests" / "security")) == []


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """A test for each number but 12; the critical ones take their control away."""
    lines = ["import pytest"]
    for number in set(NUMBERS) - {12, 45}:
        mark = ['@pytest.mark.without("the guard")'] if number in CRITICAL else []
        also = "_and_45" if number == 44 else ""
        lines += [*mark, f"async def test_threat_{number:02}{also}_a_sentence(): pass"]
    (tmp_path / "test_some.py").write_text("\n".join(lines))
    return tmp_path


def page(folder: Path) -> str:
    rows = [f"| {number} {'C' if number in CRITICAL else 'H'} | attack | control | — | — |" for number in NUMBERS]
    return str(TOOL["filled"]("\n".join([*rows, "", UNTESTED]), TOOL["collect"](folder)))


def wrong(text: str, folder: Path) -> str:
    return "\n".join(TOOL["problems"](text, TOOL["collect"](folder)))


def test_the_columns_are_filled_from_the_tests_and_then_fit(tests: Path) -> None:
    text = page(tests)
    assert wrong(text, tests) == ""
    assert "| 44 C | attack | control | [test_some.py](tests/security/test_some.py) | the guard |" in text
    assert "| 45 H | attack | control | [test_some.py](tests/security/test_some.py) | the guard |" in text
    assert "| 12 H | attack | control | — | — |" in text


@pytest.mark.parametrize(
    ("test", "instead", "told"),
    [
        ("test_threat_07_a_sentence", "test_threat_70_a_sentence", "no threat 70"),
        ("test_threat_07_a_sentence", "a_helper", "Threat 7 needs a test or a reason"),
        ("test_threat_07_a_sentence", "test_threat_12_a_sentence", "Threat 12 needs a test or a reason why it has none, and not both"),
        ("mark.without", "mark.skip", "Threat 1 is critical"),
        ('without("the guard")', 'without("another guard")', "just threats"),
    ],
)
def test_what_the_tests_lack_is_told(tests: Path, test: str, instead: str, told: str) -> None:
    text, file = page(tests), tests / "test_some.py"
    file.write_text(file.read_text().replace(test, instead))
    assert told in wrong(text, tests)


@pytest.mark.parametrize(
    ("part", "instead", "told"),
    [
        ("| 7 H |", "| 8 H |", "from 1 to 69 once"),
        ("| 1 C |", "| 1 H |", "not the critical ones"),
        ("- 12: It", "- 13: It", "Threat 12 needs"),
        ("(tests/security/test_some.py)", "(tests/security/test_gone.py)", "just threats"),
    ],
)
def test_what_the_table_lacks_is_told(tests: Path, part: str, instead: str, told: str) -> None:
    assert told in wrong(page(tests).replace(part, instead, 1), tests)
