"""The bill under fire, threat 66: whatever retries, crashes, runs beside it or lies about its usage, no cap is exceeded by
more than what one request may cost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prreview_cli.core.budget import worst_case
from prreview_cli.core.errors import BudgetReached, DayBudgetReached
from prreview_cli.core.job import Dead, Lease
from prreview_cli.core.ports.store import CapReached, Caps
from prreview_cli.core.review import Usage
from prreview_cli.services.kill_switch import KillSwitch
from prreview_cli.store.memory import MemoryStore
from prreview_cli.trials.simulators.conversation import Conversation, Reply, ToolUse, Turn
from prreview_cli.trials.simulators.loopback import Gate
from support.clocks import FakeClock
from support.fakes import FakeAlerts
from support.gateways import PRICES, body, post, running
from support.model_api import USAGE, Answer, Request, event, message, says, scripted_model
from support.stage import Stage, get
from support.stores import NOON, STORES, Bench, bench, opened_sqlite, sqlite_url

SPENDER = Path(__file__).parents[1] / "support/spender.py"

# -- the port: any history of calls, honest or not -------------------------------------------------------

CAPS = Caps(review=1.0, pull_request=1.5, day=2.0)


@dataclass(frozen=True)
class Call:
    """A call for a pull request; `comes_to`: its bill as a part of what was reserved, None if its process died."""

    number: int
    usd: float
    comes_to: float | None


@dataclass(frozen=True)
class Push:
    """The review of a pull request ends, and a newer head's begins."""

    number: int


@dataclass(frozen=True)
class Midnight:
    """The next day comes."""


_numbers, _usd = st.integers(1, 3), st.integers(1_000, 900_000).map(lambda micro: micro / 1e6)
_others = [st.builds(Push, _numbers), st.builds(Midnight)]
honest = st.lists(st.one_of(*[st.builds(Call, _numbers, _usd, st.none() | st.floats(0.0, 1.0))] * 4, *_others), max_size=25)
lying = st.lists(st.one_of(*[st.builds(Call, _numbers, _usd, st.none() | st.floats(0.0, 50.0))] * 4, *_others), max_size=25)


@dataclass
class Tally:
    """The test's own account of what each cap counts."""

    at: Bench
    leases: dict[int, Lease] = field(default_factory=dict)
    spent: defaultdict[tuple[str, object], float] = field(default_factory=lambda: defaultdict(float))
    pushes: int = 0

    async def take(self, deed: Call | Push | Midnight) -> None:
        match deed:
            case Midnight():
                self.at.later(86_400)
            case Push(number):
                if number in self.leases:
                    await self.at.settle(self.leases.pop(number), Dead("internal", "No."))
                await self._lease(number)
            case Call():
                await self._call(deed)

    async def _lease(self, number: int) -> Lease:
        if number not in self.leases:
            self.pushes += 1
            await self.at.pushed(f"h{self.pushes}", number=number)
            self.leases[number] = await self.at.claimed(reviews=100)
        return self.leases[number]

    async def _call(self, deed: Call) -> None:
        lease = await self._lease(deed.number)
        counted = {"review": lease.job.id, "pull_request": deed.number, "day": self.at.now.date()}
        full = [cap for cap, of in counted.items() if round(self.spent[cap, of] + deed.usd, 6) > getattr(CAPS, cap)]
        if full:
            with pytest.raises(CapReached) as refused:
                await self.at.store.spend.reserve(lease, deed.usd, CAPS, self.at.now)
            assert refused.value.cap in full
            return
        reservation = await self.at.store.spend.reserve(lease, deed.usd, CAPS, self.at.now)
        usd = deed.usd if deed.comes_to is None else round(deed.usd * deed.comes_to, 6)
        if deed.comes_to is not None:
            await self.at.store.spend.settle(reservation, Usage(1, 1, usd, 1), 200, self.at.now)
        for cap, of in counted.items():
            self.spent[cap, of] += usd


async def _lived(kind: str, history: list[Call | Push | Midnight]) -> Tally:
    with tempfile.TemporaryDirectory() as folder:
        async with bench(kind, Path(folder)) as at:
            tally = Tally(at)
            for deed in history:
                await tally.take(deed)
            assert await at.store.spend.today(at.now) == pytest.approx(tally.spent["day", at.now.date()])
            return tally


@pytest.mark.parametrize("kind", STORES)
@settings(max_examples=25, deadline=None)
@given(history=honest)
def test_threat_66_in_any_history_no_cap_is_exceeded(kind: str, history: list[Call | Push | Midnight]) -> None:
    tally = asyncio.run(_lived(kind, history))
    assert all(usd <= getattr(CAPS, cap) + 1e-6 for (cap, _), usd in tally.spent.items())


@settings(max_examples=25, deadline=None)
@given(history=lying)
def test_threat_66_a_bill_above_its_reserve_closes_the_cap_at_once(history: list[Call | Push | Midnight]) -> None:
    # `Tally` asserts it: nothing is reserved any more where the sum with it would be above a cap.
    tally = asyncio.run(_lived("memory", history))
    assert all(usd <= getattr(CAPS, cap) + 50 * 0.9 for (cap, _), usd in tally.spent.items())


# -- the gateway: what an answer says of its usage ---------------------------------------------------------


def answered(start: Any, end: Any) -> Answer:
    """A whole answer that reports this usage at its beginning and at its end."""
    whole = message(says("hi"))
    first = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test", "content": [], "usage": start}
    last = event("message_delta", delta={"stop_reason": "end_turn"}, **({} if end is None else {"usage": end}))
    return Answer(pieces=[event("message_start", message=first), *whole.pieces[1:-2], last, whole.pieces[-1]])


NOTHING_TOLD = [
    ({}, None),
    ({"input_tokens": 0, "output_tokens": 0}, {"output_tokens": 0}),
    ({"input_tokens": 0, "output_tokens": 5}, {"input_tokens": 0, "output_tokens": 0}),
    ({"output_tokens": 5}, {}),
    ({"input_tokens": 10**30}, {"output_tokens": 10**30}),
    ({"input_tokens": 1e3}, {"output_tokens": 1.5}),
]


@pytest.mark.parametrize(("start", "end"), NOTHING_TOLD, ids=str)
async def test_threat_66_usage_that_is_not_told_or_is_nonsense_counts_as_all_that_was_reserved(start: Any, end: Any) -> None:
    async with scripted_model([answered(start, end)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        for _ in range(2):
            assert (await post(grant)).is_success
        await grant.settled(5)
        most = rig.book.reserved[0][1]
        assert most == worst_case(len(model.requests[0].body), 1000, PRICES)
        assert [(usage.usd, status) for _, usage, status in rig.book.settled] == [(most, 200)] * 2
        assert rig.book.reserved[1][1] == most, "what was not told is no measure of the next request"


OUTPUT_ALONE_TOLD = [
    (None, {"output_tokens": 5}),
    ({"output_tokens": 1}, {"output_tokens": 5}),
    ({"input_tokens": 0, "output_tokens": 1}, {"input_tokens": 0, "output_tokens": 5}),
    ({"input_tokens": None, "output_tokens": "many"}, {"output_tokens": 5}),
    ({"input_tokens": -5}, {"output_tokens": 5}),
]


@pytest.mark.parametrize(("start", "end"), OUTPUT_ALONE_TOLD, ids=str)
async def test_threat_66_an_input_that_is_not_told_counts_as_all_that_was_reserved_for_it(start: Any, end: Any) -> None:
    async with scripted_model([answered(start, end)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        for _ in range(2):
            assert (await post(grant)).is_success
        await grant.settled(5)
        billed = worst_case(len(model.requests[0].body), 5, PRICES)
        assert rig.book.settled == [(str(call), Usage(0, 5, billed, 1), 200) for call in (1, 2)]
        assert rig.book.reserved[1] == rig.book.reserved[0], "what was not told is no measure of the next request"


async def test_threat_66_an_answer_without_its_input_that_is_cut_short_counts_as_all_that_was_reserved() -> None:
    whole = answered({"input_tokens": 0}, {"output_tokens": 5})
    async with scripted_model([replace(whole, pieces=whole.pieces[:-1], cut=True)]) as model, running(model.base_url) as rig:
        async with rig.grant() as grant:
            with pytest.raises(httpx.RemoteProtocolError):
                await post(grant)
        assert [usage.usd for _, usage, _ in rig.book.settled] == [rig.book.reserved[0][1]]


@pytest.mark.parametrize("end", [None, {}, {"output_tokens": None}, {"output_tokens": 10**12}], ids=str)
async def test_threat_66_an_answer_that_does_not_tell_its_length_counts_as_the_longest(end: Any) -> None:
    async with scripted_model([answered(USAGE, end)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        assert (await post(grant)).is_success
        await grant.settled(5)
        assert (grant.usage.input_tokens, grant.usage.output_tokens) == (200, 1000)


async def test_threat_66_counts_that_shrink_are_not_believed() -> None:
    shrunk = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 25}
    async with scripted_model([answered(USAGE, shrunk)]) as model, running(model.base_url) as rig, rig.grant() as grant:
        assert (await post(grant)).is_success
        await grant.settled(5)
        assert (grant.usage.input_tokens, grant.usage.output_tokens) == (200, 25)


async def test_threat_66_a_huge_max_tokens_is_never_sent_and_breaks_nothing(tmp_path: Path) -> None:
    store = await opened_sqlite(tmp_path / "q.db")
    at = Bench(store, FakeClock())
    await at.pushed()
    try:
        async with scripted_model([message(says("hi"))]) as model, running(model.base_url) as rig:
            rig.gateway._upstream._spend = store.spend
            async with rig.grant(await at.claimed()) as grant:
                for huge in (10_000_001, 2**63, 10**40, 10**308, 0, -1):
                    assert (await post(grant, body(max_tokens=huge))).status_code == 403
                    assert grant.failure is None
                assert (await post(grant, body(max_tokens=10_000_000))).status_code == 403
                assert isinstance(grant.failure, BudgetReached)
            assert model.requests == []
            assert await store.spend.total() == 0
    finally:
        await store.close()


async def test_threat_66_retries_are_reserved_one_by_one() -> None:
    async with scripted_model([Answer(no_head=True)]) as model, running(model.base_url) as rig:
        store = MemoryStore(FakeClock())
        at = Bench(store, FakeClock())
        await at.pushed()
        rig.gateway._upstream._spend = store.spend
        rig.gateway._upstream._caps = replace(CAPS, review=0.05)
        async with rig.grant(await at.claimed()) as grant:
            assert (await post(grant)).status_code == 403
            assert isinstance(grant.failure, BudgetReached), "each lost answer may have been billed"
        reserve = worst_case(len(model.requests[0].body), 1000, PRICES)
        assert len(model.requests) == int(0.05 / reserve)
        assert await store.spend.total() == pytest.approx(len(model.requests) * reserve, abs=1e-6)


# -- midnight ---------------------------------------------------------------------------------------------


async def test_threat_66_a_days_cap_that_is_met_at_midnight_does_not_close_the_next_day() -> None:
    clock, alerts = FakeClock(NOON.replace(hour=23, minute=59, second=59)), FakeAlerts()
    store = MemoryStore(clock)
    switch = KillSwitch("test", store.switches, alerts, clock)
    midnight = NOON.replace(hour=0) + timedelta(days=1)
    async with scripted_model([message(says("hi"))]) as model, running(model.base_url, clock=clock) as rig, rig.grant() as grant:
        rig.book.full = "day"
        await post(grant)
        (reached,) = rig.failures
        assert isinstance(reached, DayBudgetReached)
        assert reached.retry_at == midnight
    await switch.trip(reached)
    pause = await store.switches.paused(clock.now())
    assert pause is not None
    assert pause.until == midnight
    await clock.advance(1)
    assert await store.switches.paused(clock.now()) is None
    await switch.trip(reached)  # as the job's own settlement does, a moment after the gateway did
    assert await store.switches.paused(clock.now()) is None
    assert len(alerts.told) == 1


async def test_threat_66_a_call_across_midnight_is_on_the_bill_of_the_day_that_paid_for_it() -> None:
    answer, gate = message(says("hi"), output_tokens=1000), asyncio.Event()
    answer.gates = {1: gate}
    clock = FakeClock(NOON.replace(hour=23, minute=59, second=59))
    store = MemoryStore(clock)
    at = Bench(store, clock)
    await at.pushed()
    async with scripted_model([answer]) as model, running(model.base_url, clock=clock) as rig:
        rig.gateway._upstream._spend = store.spend
        async with rig.grant(await at.claimed()) as grant:
            asking = asyncio.create_task(post(grant))
            await asyncio.wait_for(model.asked.wait(), 10)
            yesterday = clock.now()
            await clock.advance(2)
            assert await store.spend.today(clock.now()) == 0
            gate.set()
            assert (await asking).is_success
            await grant.settled(5)
            assert await store.spend.today(clock.now()) == 0
            assert await store.spend.today(yesterday) == pytest.approx(grant.usage.usd)


# -- processes: in parallel, killed in the middle of their calls ----------------------------------------------


class Spender:
    """A process that asks until it is refused."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def said(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(await asyncio.wait_for(self.process.stdout.readline(), 30))

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def spenders(stack: AsyncExitStack, count: int, database: Path, model_url: str, day: float) -> AsyncIterator[list[Spender]]:
    """So many of them, at work."""
    started = []
    for _ in range(count):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(SPENDER), sqlite_url(database), model_url, json.dumps(day)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "HOME": str(database.parent)},
        )
        started.append(Spender(process))
        stack.push_async_callback(_ended, process)
    for spender in started:
        while (line := await spender.said()) != "ready":
            assert line is not None
    for spender in started:
        spender.go_on()
    yield started


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


async def test_threat_66_workers_killed_in_the_middle_of_their_calls_and_their_heirs_keep_the_days_cap(tmp_path: Path) -> None:
    day, database, gate = 0.4, tmp_path / "q.db", asyncio.Event()
    dearest = message(says("hi"), output_tokens=1000)  # the longest answer that was allowed

    def answer(_: Request) -> Answer:
        return replace(dearest, gates={} if gate.is_set() else {1: gate})

    store = await opened_sqlite(database)
    try:
        at = Bench(store, FakeClock())
        for number in range(1, 7):
            await at.pushed(number=number)
        async with scripted_model(answer) as model, AsyncExitStack() as stack:
            async with spenders(stack, 3, database, model.base_url, day) as first:
                async with asyncio.timeout(30):
                    while model.in_flight < 6:
                        model.asked.clear()
                        await model.asked.wait()
                for spender in first:
                    await spender.kill()
            killed = len(model.requests)
            reserve = worst_case(len(model.requests[0].body), 1000, PRICES)
            reserved = await store.spend.today(at.now)
            assert reserved == pytest.approx(killed * reserve), "what was under way counts as spent"
            gate.set()
            async with spenders(stack, 3, database, model.base_url, day) as heirs:
                assert {await spender.said() for spender in heirs} == {"day_budget_limit"}
            spent = await store.spend.today(at.now)
            billed = len(model.requests) * (0.000468 + 1000 * PRICES.output / 1e6)  # at most: those killed got no answer
            assert len(model.requests) > killed + 6
            assert day - reserve < spent <= day, "used up, and not exceeded"
            assert billed <= day
    finally:
        await store.close()


# -- the whole program -------------------------------------------------------------------------------------


async def test_threat_66_kill_minus_nine_and_restarts_of_a_server_never_exceed_the_day(tmp_path: Path) -> None:
    gate = Gate()

    def script(asked: Conversation) -> Reply:
        return Turn("", (ToolUse("read_diff"),), input_tokens=2_000, output_tokens=4_096, gate=gate)

    caps = {"max_usd_per_day": 0.9, "max_usd_per_review": 0.5, "max_turns": 100}
    with Stage(tmp_path, pulls=4, workers=3, changes={"model": caps}) as stage:
        stage.model.script = script
        async with stage.serving() as served:
            await stage.send(served, [stage.delivery(number) for number in (1, 2, 3, 4)])
            await stage.model.watch.until(lambda: len(stage.model.requests) == 3, 60)
            await served.kill_everything()
        killed = len(stage.model.requests)
        before = (await stage.told("status"))["usd_today"]
        assert before >= killed * 4_096 * PRICES.output / 1e6
        gate.open()
        async with stage.serving() as served:

            async def shown(sample: str) -> float:
                lines = (await get(f"{served.ops}/metrics")).text.splitlines()
                return float(next(line for line in lines if line.startswith(f"{sample} ")).split()[1])

            async with asyncio.timeout(60):
                while not await shown("prreview_paused"):
                    pass
                # What was under way at that moment is settled a little later; then page and command agree.
                while await shown("prreview_usd_total") != pytest.approx((status := await stage.told("status"))["usd_today"], abs=1e-3):
                    pass
        per_call = (2_000 * PRICES.input + 4_096 * PRICES.output) / 1e6
        assert len(stage.model.requests) > killed + 3
        assert len(stage.model.requests) * per_call <= caps["max_usd_per_day"]
        assert status["usd_today"] <= caps["max_usd_per_day"]
        assert status["paused"]["until"].endswith("T00:00:00.000Z")
        asked = len(stage.model.requests)

        code, _, err = await stage.run("review", "octo/shop#4", "--agent", "scripted", "--allow-unsandboxed", "--json")
        assert code != 0, err
        assert len(stage.model.requests) == asked
        assert stage.reviews() == []


async def test_threat_66_a_review_over_its_cap_is_failed_with_5_and_not_tried_again(tmp_path: Path) -> None:
    caps = {"max_usd_per_review": 0.3, "max_turns": 100}
    with Stage(tmp_path, changes={"model": caps}) as stage:
        stage.model.script = lambda _: Turn("", (ToolUse("read_diff"),), input_tokens=2_000, output_tokens=4_096)
        code, out, err = await stage.run("review", "octo/shop#1", "--agent", "scripted", "--allow-unsandboxed", "--json")
        assert code == 5, err
        told = json.loads(out)
        assert (told["status"], told["posted"]) == ("failed", None)
        assert "The cap of 0.30 USD a review" in told["reason"]
        asked = len(stage.model.requests)
        assert 0 < asked * (2_000 * PRICES.input + 4_096 * PRICES.output) / 1e6 <= 0.3
        why = await stage.told("why", "octo/shop#1")
        assert [(one["outcome"], one["class"], one["model_calls"]) for one in why["attempts"]] == [("dead", "budget_limit", asked)]
        assert why["usd"] <= 0.3
        assert (await stage.told("status"))["paused"] is None
