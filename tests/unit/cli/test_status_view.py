"""How a profile's state is shown: the same facts as JSON, as lines and as a picture that fits."""

from __future__ import annotations

import io
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from prreview_cli.cli.status_view import Glance, lines, picture, read, short
from prreview_cli.core.circuit import THRESHOLD, Down, Limited, Service
from prreview_cli.core.job import Dead, Posted
from prreview_cli.core.ports.store import Beat
from prreview_cli.core.profile import Profile, StateFolder
from prreview_cli.core.retry import Policy
from prreview_cli.settings import load_profile
from prreview_cli.store.memory import MemoryStore
from prreview_cli.telemetry.untold import Untold, note
from support.clocks import FakeClock
from support.profiles import profile_file
from support.stores import Bench


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return load_profile(str(profile_file(tmp_path, {"workers": {"count": 2}})))


@pytest.fixture
async def glance(profile: Profile) -> Glance:
    """One job of each kind: posted long ago and just now, dead, running for 7 s, queued for 5 s; and a pause."""
    clock = FakeClock()
    at = Bench(MemoryStore(clock), clock)
    await at.posted(number=1)
    at.later(7200)
    await at.push(number=2)
    lease = await at.claimed()
    at.later(12)
    await at.settle(lease, Posted("r-2"))
    await at.push(number=3)
    await at.settle(await at.claimed(), Dead("turn_limit", "30 turns."))
    await at.push(number=4, repository="octo/" + "long-name-" * 12)
    await at.claimed()
    at.later(2)
    await at.push(number=5)
    at.later(5)
    await at.store.pools.beat(Beat("w1", 1, 2, at.now - timedelta(seconds=3), 1))
    await at.store.pools.beat(Beat("gone", 2, 2, at.now - timedelta(seconds=30), 1))
    await at.store.switches.pause("Too dear.", at.now)
    return await read(profile, at.store, at.now)


async def test_an_outage_and_a_limit_are_shown_in_every_form(profile: Profile) -> None:
    clock = FakeClock()
    at = Bench(MemoryStore(clock), clock)
    down = Down("529.", ("j00000009", 1), Policy(5, 1.0, 300.0), 0.5)
    for _ in range(THRESHOLD):
        await at.store.circuits.note(Service.MODEL, down, at.now)
    await at.store.circuits.note(Service.HOST, Limited("403.", at.now + timedelta(seconds=60)), at.now)
    glance = await read(profile, at.store, at.now)
    until = {"model": "2026-11-24T12:00:03.000Z", "host": "2026-11-24T12:01:00.000Z"}
    assert [(each["service"], each["state"], each["until"], each["reason"]) for each in glance.json()["circuits"]] == [
        ("model", "open", until["model"], "529."),
        ("host", "limited", until["host"], "403."),
    ]
    assert "model open, host limited" in short(glance)
    assert [line for line in lines(glance, 300) if line.startswith("waiting")] == [
        "waiting         The model is down; it is not asked until 12:00:03 UTC: 529.",
        "waiting         The code host asked to be left alone until 12:01:00 UTC: 403.",
    ]
    assert (await read(profile, at.store, at.now + timedelta(minutes=2))).json()["circuits"][0]["state"] == "half_open"


async def test_the_json_has_what_the_specification_names_and_more_behind(glance: Glance) -> None:
    told = glance.json()
    assert list(told)[:8] == ["environment", "queued", "scheduled", "running", "dead", "oldest_queued_s", "paused", "usd_today"]
    assert (told["queued"], told["scheduled"], told["running"], told["dead"], told["oldest_queued_s"]) == (1, 0, 1, 1, 5.0)
    assert told["paused"]["reason"] == "Too dear."
    assert [(each["number"], each["held_s"]) for each in told["in_flight"]] == [(4, 7.0)]
    assert [pool["worker"] for pool in told["pools"]] == ["w1"], "a pool that does not beat is none"
    assert told["last_hour"] == {"posted": 1, "skipped": 0, "superseded": 0, "dead": 1}
    assert told["review_s"] == 6.0


async def test_the_lines_say_the_same(glance: Glance) -> None:
    told = "\n".join(lines(glance, 100))
    for words in ("1  the oldest for 5 s", "1 of 2", "for 7 s", "jobs list --state dead", "1 posted", "1 alive, 2 slots", "Too dear."):
        assert words in told


async def test_an_alert_that_could_not_be_told_shows_in_every_form(glance: Glance, tmp_path: Path) -> None:
    untold = Untold("url", "hooks.example", "paused", "2026-01-02T03:00:00Z", "ConnectionError: It answered 502.")
    note(tmp_path, untold)
    clock, profile = FakeClock(), replace(glance.profile, state=StateFolder(tmp_path))
    found = (await read(profile, MemoryStore(clock), clock.now())).untold
    failing = replace(glance, untold=found)
    assert failing.json()["alerts_untold"] == [asdict(untold)]
    assert "hooks.example of 'paused' at 2026-01-02T03:00:00Z: ConnectionError" in "\n".join(lines(failing, 300))
    assert "hooks.example was not told" in short(failing)
    assert glance.json()["alerts_untold"] == []
    assert "not told" not in "\n".join(lines(glance, 300))


async def test_without_a_pool_it_says_what_to_start(glance: Glance) -> None:
    told = "\n".join(lines(replace(glance, pools=[]), 100))
    assert "start `prreview serve`" in told


@pytest.mark.parametrize("columns", [40, 80, 140])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
async def test_the_picture_fits_and_takes_nothing_from_a_stranger_as_a_command(glance: Glance, columns: int, encoding: str) -> None:
    hostile = replace(glance, running=[replace(job, repository="octo/\x1b]0;x\x07\u202e") for job in glance.running])
    out = io.StringIO()
    Console(file=out, width=columns, color_system=None).print(picture(hostile, columns, 24, encoding))
    assert max(map(len, out.getvalue().splitlines())) <= columns
    assert not set(out.getvalue()) & set("\x1b\x07\u202e")
    assert encoding == "utf-8" or out.getvalue().replace("…", "").isascii()


async def test_many_jobs_in_flight_do_not_push_the_picture_out_of_the_terminal(glance: Glance) -> None:
    out = io.StringIO()
    Console(file=out, width=80, color_system=None).print(picture(replace(glance, running=list(glance.running) * 40), 80, 24, "utf-8"))

    assert len(out.getvalue().splitlines()) <= 24
    assert "and 34 more" in out.getvalue()
    assert "Too dear." in out.getvalue()
    assert out.getvalue().endswith("\n\n"), "room for the ^C of the terminal"


async def test_a_line_changes_with_the_facts_and_not_with_the_time(glance: Glance) -> None:
    assert short(replace(glance, now=glance.now + timedelta(seconds=60))) == short(glance)
    assert short(replace(glance, pause=None)) != short(glance)
    assert short(replace(glance, usd_today=0.5)) != short(glance)
