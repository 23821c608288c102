"""A limit that one job met: the host is asked nothing by any other until it is over, in whatever process."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from prreview_cli.core import errors
from prreview_cli.core.circuit import Down, Service
from prreview_cli.core.ports.host import CodeHost
from prreview_cli.core.retry import Policy
from prreview_cli.services.breaker import LIMIT_WITHOUT_HINT, Breaker
from prreview_cli.services.considerate import ConsiderateHost
from prreview_cli.store.memory import MemoryStore
from support.clocks import FakeClock
from support.fakes import HEAD, PULL, AtOnce, FakeAlerts, FakeHost, at_once
from support.github_world import REVIEW

MINE = replace(REVIEW, repository_id=7, number=1, reviewed_sha=HEAD)


class Bench:
    """Two processes of one profile: a host each, and one database."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)
        self.breaker = Breaker("test", self.store.circuits, FakeAlerts(), self.clock)
        self.host, self.other = FakeHost(), FakeHost()

    def as_seen(self, host: FakeHost) -> CodeHost:
        return ConsiderateHost(host, Breaker("test", self.store.circuits, FakeAlerts(), self.clock))

    def limit(self, seconds: float | None) -> errors.HostRateLimited:
        at = None if seconds is None else self.clock.now() + timedelta(seconds=seconds)
        return errors.HostRateLimited("The code host wants to be left alone.", retry_at=at)


async def read(host: CodeHost) -> object:
    return await host.pull_request(7, "octo/demo", 1)


@pytest.mark.parametrize(("hint", "lasts"), [(20.0, 20.0), (None, LIMIT_WITHOUT_HINT.total_seconds())])
async def test_a_limit_that_one_process_met_is_kept_by_all_until_it_is_over(hint: float | None, lasts: float) -> None:
    at = Bench()
    ours, theirs = at.as_seen(at.host), at.as_seen(at.other)
    assert await read(theirs) == PULL
    at.host.pull_failures.append(at.limit(hint))
    with pytest.raises(errors.HostRateLimited):
        await read(ours)
    asked: list[None] = []
    at.other.on_publish = lambda: asked.append(None)

    await at.clock.advance(lasts - 1)
    with pytest.raises(errors.CircuitOpen) as refused:
        await theirs.publish(PULL, MINE, at_once)
    assert refused.value.retry_at == at.clock.now() + timedelta(seconds=1)
    for request in (theirs.our_reviews(PULL), theirs.merge_base(PULL), theirs.may_write(PULL, "alice"), read(theirs), read(ours)):
        with pytest.raises(errors.CircuitOpen):
            await request
    assert asked == []

    await at.clock.advance(1)
    await theirs.publish(PULL, MINE, at_once)
    assert len(asked) == 1


async def test_a_limit_that_is_met_while_a_post_waits_for_its_turn_holds_it_back() -> None:
    at = Bench()

    class LongTurn(AtOnce):
        async def turn(self) -> None:
            await at.breaker.limited(at.limit(20))

        async def begin(self) -> None:
            raise AssertionError("nothing may be noted as begun that is not sent")

    with pytest.raises(errors.CircuitOpen):
        await at.as_seen(at.host).publish(PULL, MINE, LongTurn())
    assert at.host.posts == []


async def test_an_outage_is_no_limit_and_whoever_has_a_job_goes_on_asking() -> None:
    at = Bench()
    for claim in range(5):
        await at.store.circuits.note(Service.HOST, Down("502", ("j1", claim), Policy(5, 1, 300), 0.5), at.clock.now())
    with pytest.raises(errors.CircuitOpen):
        await at.breaker.expect_closed()
    assert await read(at.as_seen(at.host)) == PULL
