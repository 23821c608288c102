"""The load test itself, at a server in miniature from which one control is taken away."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from prreview_cli.trials import stand
from prreview_cli.trials.load_test import run
from prreview_cli.trials.progress import Options, Progress
from prreview_cli.trials.server_process import TrialFailed
from prreview_cli.trials.temporary_profile import Keys, write
from prreview_cli.trials.verdict import Result
from support.simulators import MINI_SERVER, MachineClock

OPTIONS = Options(burst=6, workers=2, duplicates=1, agent="scripted")


def without(control: str) -> tuple[str, ...]:
    return (sys.executable, "-I", str(MINI_SERVER), control)


@pytest.fixture(autouse=True)
def temporary_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nothing is left there, however the trial ended."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(stand, "FIRST_TURN_S", 0.5)
    yield folder
    assert list(folder.iterdir()) == []


async def trial(control: str, options: Options = OPTIONS) -> Result:
    return await run(options, clock=MachineClock(), on_progress=lambda _progress: None, server=without(control))


async def test_a_server_that_does_all_right_keeps_every_promise() -> None:
    result = await trial("nothing")
    assert result.broken == ()
    said = result.to_json()
    assert (said["posted"], said["duplicates"], said["lost"], said["acks"]["count"]) == (6, 0, 0, 12)
    assert (said["peak_in_flight"], said["peak_model_calls"]) == (2, 2)
    times = [row["t_s"] for row in said["timeline"]]
    assert times == sorted(times)
    assert max(row["queued"] for row in said["timeline"]) > 0
    assert [said["timeline"][0]["posted"], said["timeline"][-1]["posted"]] == [0, 6]
    assert max(row["in_flight"] for row in said["timeline"]) <= 2


@pytest.mark.parametrize(
    ("control", "broken"),
    [
        ("cap", {"Bounded"}),
        ("dedupe", {"Once"}),
        ("fencing", {"Once"}),
        ("durability", {"Acknowledged is durable"}),
        ("anchors", {"Anchored", "Acknowledged is durable"}),
        ("routes", {"Within its routes"}),
        ("drain", {"Drained"}),
    ],
)
async def test_with_a_control_taken_away_its_promise_is_broken(control: str, broken: set[str]) -> None:
    assert set((await trial(control)).broken) == broken


async def test_where_a_promise_was_broken_the_servers_complaints_are_kept() -> None:
    words = (await trial("anchors")).last_words
    assert '"post_refused"' in words[-1]
    assert (await trial("nothing")).last_words == ()


async def test_at_a_rate_the_deliveries_are_spread_over_time() -> None:
    result = await trial("nothing", Options(burst=4, workers=4, rate=10.0))
    assert result.broken == ()
    assert result.timeline[-1].t_s >= 0.3


async def test_a_server_that_does_not_begin_is_told_with_its_last_words() -> None:
    with pytest.raises(TrialFailed, match=r"exit code 2 before it was ready(.|\n)*the database is on the moon"):
        await trial("start")


async def test_a_trial_that_is_cancelled_ends_its_server() -> None:
    firing = asyncio.Event()
    options = Options(burst=50, workers=1)

    def watch(progress: Progress) -> None:
        if progress.samples:
            firing.set()

    task = asyncio.create_task(run(options, clock=MachineClock(), on_progress=watch, server=without("nothing")))
    async with asyncio.timeout(30):
        await firing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_server_that_dies_in_the_midst_ends_the_trial_with_an_error() -> None:
    with pytest.raises(TrialFailed, match="ended by itself in the midst of the trial"):
        await trial("life")


def test_the_secrets_of_a_trial_are_files_that_only_we_can_read(tmp_path: Path) -> None:
    keys = Keys()
    profile = write(tmp_path, keys, model_url="http://127.0.0.1:1", api_url="http://127.0.0.1:2", git_url="http://127.0.0.1:3", workers=3)
    files = [profile, *(tmp_path / "secrets").iterdir()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert not any(secret in profile.read_text() for secret in (keys.model_api_key, keys.host_token, keys.webhook_secret))
    assert len({keys.webhook_secret, Keys().webhook_secret}) == 2
