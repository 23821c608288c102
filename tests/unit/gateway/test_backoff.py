"""Waiting: exponential, with jitter, never before the hint, shared, and bounded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prreview_cli.core.errors import ModelOverloaded, ModelRateLimited, ModelUnreachable
from prreview_cli.gateway.backoff import TRIES, TRY_AT_MOST_S, WAIT_AT_MOST_S, Backoff, Patience
from support.clocks import ImpatientClock


def test_each_failed_try_doubles_what_may_be_waited():
    clock = ImpatientClock()
    waits = []
    for attempt in (1, 2, 3):
        backoff = Backoff(clock, lambda: 1.0)
        backoff.hit(attempt, None)
        waits.append(backoff.remaining())
    assert waits == [1.0, 2.0, 4.0]


def test_the_wait_is_anything_up_to_that():
    backoff = Backoff(ImpatientClock(), lambda: 0.0)
    backoff.hit(3, None)
    assert backoff.remaining() == 0.0


def test_it_is_never_shorter_than_the_hint_and_no_later_hit_shortens_it():
    clock = ImpatientClock()
    backoff = Backoff(clock, lambda: 0.0)
    backoff.hit(1, clock.now() + timedelta(seconds=20))
    backoff.hit(1, clock.now() + timedelta(seconds=5))
    backoff.hit(1, clock.now() - timedelta(seconds=5))
    assert backoff.remaining() == 20.0


async def test_another_call_of_this_process_waits_as_well():
    clock = ImpatientClock()
    backoff = Backoff(clock, lambda: 0.0)
    backoff.hit(1, clock.now() + timedelta(seconds=20))
    await Patience(backoff, clock).wait()
    assert clock.slept == [20.0]


async def test_patience_ends_with_the_time_to_come_back():
    clock = ImpatientClock()
    backoff = Backoff(clock, lambda: 1.0)
    hint = clock.now() + timedelta(seconds=WAIT_AT_MOST_S + 1)
    backoff.hit(1, hint)
    with pytest.raises(ModelRateLimited) as caught:
        await Patience(backoff, clock).wait()
    assert caught.value.retry_at == hint
    assert clock.slept == []


async def test_the_tries_are_few_and_all_waits_together_bounded():
    clock = ImpatientClock()
    patience = Patience(Backoff(clock, lambda: 1.0), clock)
    tries = 1
    while patience.try_again_after(failure := ModelOverloaded("busy")):
        await patience.wait()
        tries += 1
    assert tries == TRIES
    assert sum(clock.slept) <= WAIT_AT_MOST_S
    assert failure.retry_at is not None


async def test_a_call_that_took_long_to_fail_is_left_to_the_queue():
    clock = ImpatientClock()
    patience = Patience(Backoff(clock, lambda: 1.0), clock)
    await clock.sleep(TRY_AT_MOST_S)
    failure = ModelUnreachable("ReadTimeout")
    assert not patience.try_again_after(failure)
    assert failure.retry_at is not None
