"""The drill itself, at a server in miniature from which one control is taken away."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from prreview_cli.trials import stand
from prreview_cli.trials.drill import CHECKS, Drilled, Progress, run
from prreview_cli.trials.server_process import TrialFailed
from support.simulators import MINI_SERVER, MachineClock

IMPATIENT_S = 6.0
"""For what never comes: the control that would bring it is taken away."""


def without(control: str) -> tuple[str, ...]:
    return (sys.executable, "-I", str(MINI_SERVER), control)


@pytest.fixture(autouse=True)
def temporary_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nothing is left there, however the drill ended."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(stand, "FIRST_TURN_S", 0.5)
    yield folder
    assert list(folder.iterdir()) == []


async def drilled(control: str, *checks: str, patience_s: float = 60.0) -> Drilled:
    return await run(
        checks, "scripted", clock=MachineClock(), on_progress=lambda _progress: None, program=without(control), patience_s=patience_s
    )


async def test_a_server_that_does_all_right_keeps_every_check() -> None:
    result = await drilled("nothing", *CHECKS)
    assert result.broken == (), result
    assert [one.name for one in result.promises] == ["burst", "duplicate", "revoked-key", "leak"]
    assert result.to_json()["verdict"] == "kept"


@pytest.mark.parametrize(
    ("control", "check", "figure"),
    [
        ("cap", "burst", "at most 10 of 4 reviews"),
        ("dedupe", "duplicate", r"[1-9]\d* posted twice"),
        ("fence", "duplicate", "1 for an older head"),
        ("pause", "revoked-key", "not paused"),
        ("keeping", "revoked-key", "then 3 of 7 posted"),
        ("redaction", "leak", r"(host_token|model_api_key|webhook_secret) in state/mini\.jsonl"),
        ("guard", "leak", r"(host_token|model_api_key) in re(quest|view) "),
        ("record", "leak", "NOT found: the search is blind"),
    ],
)
async def test_with_a_control_taken_away_its_check_is_broken_and_the_figure_says_how(control: str, check: str, figure: str) -> None:
    result = await drilled(control, check, patience_s=IMPATIENT_S if control in {"keeping", "dedupe"} else 60.0)
    assert result.broken == (check,)
    assert re.search(figure, result.promises[0].figure)
    assert not re.search("sk-ant-trial|trial_pat_", str(result.promises)), "a figure names a secret and never shows it"


async def test_a_server_that_dies_in_the_midst_ends_the_drill_with_an_error() -> None:
    with pytest.raises(TrialFailed, match="ended by itself in the midst of the drill"):
        await drilled("life", "burst")


async def test_a_drill_that_is_cancelled_ends_its_server() -> None:
    begun = asyncio.Event()

    def watch(progress: Progress) -> None:
        if progress.in_flight:
            begun.set()

    task = asyncio.create_task(run(["burst"], "scripted", clock=MachineClock(), on_progress=watch, program=without("nothing")))
    async with asyncio.timeout(30):
        await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
