"""What every test stands in: no inherited environment, a home of its own, and no deadline for Hypothesis on a busy machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("prreview", deadline=None, database=None)
settings.load_profile("prreview")

KEPT = (
    "PATH",
    "LANG",
    "TMPDIR",
    "SYSTEMROOT",
    "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
    "PYTEST_CURRENT_TEST",
    "PYTEST_XDIST_WORKER",
)


@pytest.fixture(autouse=True)
def hermetic(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No credential, proxy or profile of whoever runs the tests is seen by any of them."""
    for name in list(os.environ):
        if name not in KEPT and not name.startswith("PYTEST_"):
            monkeypatch.delenv(name)
    home: Path = tmp_path_factory.getbasetemp() / "home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
