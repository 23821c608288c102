"""Circuits and turns (`Circuits`, `Turns`), and how taking a job obeys them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from prreview_cli.core.circuit import THRESHOLD, Circuit, Down, Limited, Mode, Service, Up
from prreview_cli.core.job import Defer, HandBack, Lease, Posted, State
from prreview_cli.core.pace import Pace
from prreview_cli.core.ports.store import Capacity
from prreview_cli.core.retry import Policy
from support.stores import NOON, STORES, Bench, bench, opened_sqlite, target

POLICY = Policy(max_attempts=5, backoff_s=1.0, backoff_max_s=300.0)


@pytest.fixture(params=STORES)
async def at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


async def fail(at: Bench, fence: tuple[str, int] = ("j00000099", 1), service: Service = Service.MODEL) -> Circuit:
    _, after = await at.store.circuits.note(service, Down("529.", fence, POLICY, 0.5), at.now)
    return after


async def outage(at: Bench, service: Service = Service.MODEL) -> Circuit:
    """The service is taken for down, for the next 3 s."""
    for _ in range(THRESHOLD - 1):
        await fail(at, service=service)
    return await fail(at, service=service)


async def pushed(at: Bench, count: int = 3) -> None:
    for number in range(1, count + 1):
        await at.push("a", number=number)


async def test_both_circuits_are_closed_at_first(at: Bench) -> None:
    assert await at.store.circuits.all() == [Circuit(Service.MODEL), Circuit(Service.HOST)]


async def test_a_change_is_told_with_what_was_before_and_kept(at: Bench) -> None:
    before, after = await at.store.circuits.note(Service.HOST, Down("502.", ("j00000099", 1), POLICY, 0.5), at.now)
    assert (before, after) == (Circuit(Service.HOST), Circuit(Service.HOST, failures=1, reason="502."))
    assert await at.store.circuits.all() == [Circuit(Service.MODEL), after]
    assert await at.store.circuits.note(Service.MODEL, Up(), at.now) == (Circuit(Service.MODEL), Circuit(Service.MODEL))


@pytest.mark.parametrize("service", list(Service))
async def test_no_job_is_taken_while_a_circuit_is_open(at: Bench, service: Service) -> None:
    await pushed(at)
    circuit = await outage(at, service)
    assert circuit.mode(at.now) is Mode.OPEN
    assert await at.claim() is None
    at.later(2.9)
    assert await at.claim() is None
    at.later(0.1)
    assert await at.claim() is not None


async def test_a_half_open_circuit_lets_one_job_through_whoever_asks(at: Bench) -> None:
    await pushed(at)
    await outage(at)
    at.later(3)

    leases = await asyncio.gather(*(at.claim(f"w{n}") for n in range(8)))

    [probe] = [lease for lease in leases if lease is not None]
    assert (await at.store.circuits.all())[0].probe == probe.fence
    at.later(600)
    assert await at.claim() is None


async def test_one_job_is_let_through_by_several_processes_on_one_file(tmp_path: Path) -> None:
    path = tmp_path / "q.db"
    first, second = await opened_sqlite(path), await opened_sqlite(path)
    try:
        here, there = Bench(first, None), Bench(second, None)  # type: ignore[arg-type]
        await pushed(here)
        await outage(there)
        here.later(3), there.later(3)
        leases = await asyncio.gather(*(each.claim(f"w{n}") for n in range(4) for each in (here, there)))
        assert len([lease for lease in leases if lease is not None]) == 1
    finally:
        await first.close()
        await second.close()


async def test_a_probe_that_succeeds_lets_all_the_others_through(at: Bench) -> None:
    await pushed(at)
    await outage(at)
    at.later(3)
    await at.claimed()
    await at.store.circuits.note(Service.MODEL, Up(), at.now)
    assert await at.claim() is not None
    assert await at.claim() is not None


async def test_a_probe_that_fails_opens_the_circuit_for_longer_and_another_job_is_the_next(at: Bench) -> None:
    await pushed(at)
    await outage(at)
    at.later(3)
    probe = await at.claimed()
    circuit = await fail(at, probe.fence)
    assert circuit.until == at.now + timedelta(seconds=6)
    await at.settle(probe, Defer("529.", circuit.until))
    at.later(5.9)
    assert await at.claim() is None
    at.later(0.1)
    assert (await at.claimed()).job.id != probe.job.id
    assert (await at.job(probe.job.id)).attempts == 0


async def test_a_probe_that_ends_without_an_answer_leaves_its_place_to_the_next(at: Bench) -> None:
    await pushed(at)
    await outage(at)
    at.later(3)
    probe = await at.claimed()
    assert await at.claim() is None
    await at.settle(probe, HandBack("A drain."))
    assert await at.claim() is not None


async def test_a_probe_whose_worker_dies_leaves_its_place_to_the_next(at: Bench) -> None:
    await pushed(at)
    await outage(at)
    at.later(3)
    await at.claimed(lease_s=30)
    assert await at.silence(31) != []
    assert await at.claim() is not None
    assert await at.claim() is None


async def test_a_job_that_ran_before_the_outage_is_no_probe(at: Bench) -> None:
    await pushed(at)
    running = await at.claimed()
    await outage(at)
    at.later(3)
    probe = await at.claimed()
    await fail(at, running.fence)
    [model, _] = await at.store.circuits.all()
    assert (model.mode(at.now), model.probe) == (Mode.HALF_OPEN, probe.fence)


async def test_a_limit_makes_every_job_wait_and_then_none(at: Bench) -> None:
    await pushed(at)
    await at.store.circuits.note(Service.HOST, Limited("403.", at.now + timedelta(seconds=60)), at.now)
    at.later(59.9)
    assert await at.claim() is None
    at.later(0.1)
    assert len([lease for lease in [await at.claim() for _ in range(3)] if lease is not None]) == 3


async def test_a_limit_named_before_the_clock_was_set_back_holds_nobody_up(at: Bench) -> None:
    await pushed(at)
    await at.store.circuits.note(Service.HOST, Limited("403.", at.now + timedelta(seconds=60)), at.now)
    at.later(-30)
    assert await at.claim() is None, "whoever read the clock a little earlier obeys"
    at.later(-6 * 3600)
    assert len([lease for lease in [await at.claim() for _ in range(3)] if lease is not None]) == 3


async def test_an_outage_noted_before_the_clock_was_set_back_is_probed_at_once(at: Bench) -> None:
    await pushed(at)
    await outage(at)
    at.later(-6 * 3600)
    probe = await at.claimed()
    assert await at.claim() is None
    circuit = await fail(at, probe.fence)
    assert circuit.until == at.now + timedelta(seconds=6)
    assert await at.claim() is None
    at.later(6)
    assert await at.claim() is not None


async def test_what_is_taken_past_the_queue_obeys_too(at: Bench) -> None:
    async def take(head: str, number: int) -> object:
        return await at.jobs.take(target(head, number=number), "w1", Capacity(4), 0, 30, at.now)

    await outage(at)
    assert await take("a", 1) is None
    assert await at.jobs.list([], None) == []
    at.later(3)
    assert isinstance(await take("a", 1), Lease)
    assert await take("a", 2) is None


async def test_settling_goes_on_during_an_outage(at: Bench) -> None:
    await pushed(at, 1)
    lease = await at.claimed()
    await outage(at)
    assert await at.settle(lease, Posted("r-1"))
    assert await at.state(lease.job.id) is State.POSTED


async def test_turns_are_apart_whoever_takes_them(at: Bench) -> None:
    pace = Pace(1.0, 100, 9.0)
    turns = await asyncio.gather(*(at.store.turns.next(pace, 30, NOON) for _ in range(5)))
    assert sorted(turn - NOON for turn in turns) == [timedelta(seconds=number) for number in range(5)]


async def test_a_turn_that_is_too_late_is_named_and_left_to_others(at: Bench) -> None:
    pace = Pace(20.0, 100, 9.0)
    assert [(await at.store.turns.next(pace, 30, NOON) - NOON).total_seconds() for _ in range(4)] == [0, 20, 40, 40]
