"""What the provider's failures become, what is tried again, and what the agent's process hears of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from prreview_cli.core import errors
from prreview_cli.core.errors import SecretUnavailable
from prreview_cli.gateway import upstream
from support.clocks import FakeClock, settled
from support.gateways import KEY, NOON, Shared, body, post, running
from support.model_api import Answer, error, event, message, says, scripted_model
from support.processes import until

FINE = message(says("hi"))
PROFILE_WIDE = [
    (error(401, "authentication_error", "invalid x-api-key"), errors.ModelKeyRejected),
    (error(403, "permission_error", "not this model"), errors.ModelForbidden),
    (error(404, "not_found_error", "model: claude-test"), errors.ModelGone),
    (error(400, "invalid_request_error", "Your credit balance is too low to access the API."), errors.CreditExhausted),
    (error(402, "billing_error", "pay"), errors.CreditExhausted),
]
OF_THE_REQUEST = [
    (error(400, "invalid_request_error", "prompt is too long"), errors.ModelRefusedRequest),
    (error(413, "request_too_large", "too large"), errors.ModelRefusedRequest),
    (error(422, "invalid_request_error", "no"), errors.ModelRefusedRequest),
]
PASSING = [
    (error(429, "rate_limit_error", "slow down"), errors.ModelRateLimited),
    (error(529, "overloaded_error", "busy"), errors.ModelOverloaded),
    (error(500, "api_error", "oops"), errors.ModelOverloaded),
    (error(408, "invalid_request_error", "Request timeout"), errors.ModelOverloaded),
    (Answer(503, {"content-type": "text/html"}, [b"<html>proxy</html>"]), errors.ModelOverloaded),
    (Answer(404, {"content-type": "text/html"}, [b"<html>nginx</html>"]), errors.ModelUnreachable),
    (Answer(no_head=True), errors.ModelUnreachable),
    (Answer(200, {"content-type": "text/html"}, [b"<html>log in</html>"]), errors.ModelUnreachable),
    (Answer(200, pieces=[b"data: {nonsense\n\n"]), errors.ModelUnreachable),
    (Answer(200, pieces=[]), errors.ModelUnreachable),
    (Answer(200, pieces=[event("error", error={"type": "overloaded_error", "message": "busy"})]), errors.ModelOverloaded),
    (replace(FINE, pieces=[b"x" * 70_000]), errors.ModelUnreachable),
]


def ids(case: object) -> str | None:
    return case.__name__ if isinstance(case, type) else None


@pytest.mark.parametrize(("answer", "kind"), PROFILE_WIDE, ids=ids)
async def test_what_concerns_the_profile_is_told_before_the_agent_hears_of_it_and_is_asked_once(answer, kind):
    async with scripted_model([answer]) as model, running(model.base_url) as rig, rig.grant() as grant, rig.grant() as other:
        tell, told = rig.gateway._on_profile_failure, asyncio.Event()

        async def slowly(failure: errors.Failure) -> None:
            await told.wait()
            await tell(failure)

        rig.gateway._on_profile_failure = slowly
        asking = asyncio.create_task(post(grant))
        await asyncio.wait_for(model.asked.wait(), 5)
        await settled()
        assert not asking.done()
        told.set()
        assert (await asking).status_code >= 400
        assert type(grant.failure) is kind
        assert [type(failure) for failure in rig.failures] == [kind]
        await post(other)
        assert type(other.failure) is errors.Paused
    assert len(model.requests) == 1


@pytest.mark.parametrize(("answer", "kind"), OF_THE_REQUEST, ids=ids)
async def test_what_concerns_the_request_is_asked_once_and_pauses_nothing(answer, kind):
    async with scripted_model([answer]) as model, running(model.base_url) as rig, rig.grant() as grant:
        assert (await post(grant)).headers["x-should-retry"] == "false"
        assert type(grant.failure) is kind
    assert len(model.requests) == 1
    assert rig.failures == []


@pytest.mark.parametrize(("answer", "kind"), PASSING, ids=ids)
async def test_what_may_pass_is_tried_again_and_the_agent_never_knows(answer, kind):
    async with scripted_model([answer, FINE]) as model, running(model.base_url) as rig, rig.grant() as grant:
        response = await post(grant)
        assert response.status_code == 200
        assert response.content == b"".join(FINE.pieces)
        assert grant.failure is None
    assert len(model.requests) == 2
    assert sum(rig.clock.slept) > 0


@pytest.mark.parametrize(("answer", "kind"), PASSING, ids=ids)
async def test_what_does_not_pass_ends_after_a_few_tries_as_what_it_was(answer, kind):
    async with scripted_model([answer]) as model, running(model.base_url) as rig, rig.grant() as grant:
        response = await post(grant)
        assert response.headers["x-should-retry"] == "false"
        assert type(grant.failure) is kind
        assert grant.failure.retry_at is not None
    assert len(model.requests) == 4
    assert sum(rig.clock.slept) <= 60
    assert rig.failures == []


async def test_an_answer_that_ended_in_order_is_told_and_a_failure_is_not():
    cut = replace(FINE, pieces=FINE.pieces[:3])
    async with scripted_model([error(529, "overloaded_error", "busy"), FINE, cut]) as model, running(model.base_url) as rig:
        async with rig.grant() as grant:
            await post(grant)
            assert len(rig.answers) == 1
            with pytest.raises(httpx.RemoteProtocolError):
                await post(grant)
            await grant.settled(5)
        assert len(rig.answers) == 1


async def test_an_answer_that_cannot_be_noted_is_good_all_the_same():
    async with scripted_model([FINE]) as model, running(model.base_url) as rig, rig.grant() as grant:

        async def broken() -> None:
            raise OSError("disk full")

        rig.gateway._on_answer = broken
        assert (await post(grant)).status_code == 200


async def test_a_provider_that_says_nothing_is_given_up_and_asked_again(monkeypatch):
    monkeypatch.setattr(upstream, "_SILENCE_S", 0.2)
    silent = replace(FINE, gates={0: asyncio.Event()})
    async with scripted_model([silent, FINE]) as model, running(model.base_url) as rig, rig.grant() as grant:
        assert (await post(grant)).status_code == 200
        assert grant.failure is None
        silent.gates[0].set()
    assert len(model.requests) == 2


async def test_a_failure_is_forgotten_once_a_later_request_succeeds():
    async with (
        scripted_model([error(400, "invalid_request_error", "no"), FINE]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
    ):
        await post(grant)
        assert grant.failure is not None
        await post(grant)
        assert grant.failure is None


async def test_nothing_is_tried_before_the_time_that_the_provider_named():
    clock = FakeClock()
    async with (
        scripted_model([error(429, "rate_limit_error", "slow", retry_after="7"), FINE]) as model,
        running(model.base_url, clock=clock) as rig,
        rig.grant() as grant,
        rig.grant() as other,
    ):
        asking = asyncio.create_task(post(grant))
        await until(lambda: clock.slept == [7.0])
        waiting = asyncio.create_task(post(other))
        await until(lambda: len(clock.slept) == 2)  # one's limit is everybody's
        await clock.advance(6.9)
        assert len(model.requests) == 1
        await clock.advance(0.2)
        assert [response.status_code for response in await asyncio.gather(asking, waiting)] == [200, 200]
    assert len(model.requests) == 3


async def test_a_limit_that_another_process_met_is_kept_too_and_before_the_first_call():
    clock, shared = FakeClock(), Shared()
    async with (
        scripted_model([error(429, "rate_limit_error", "slow", retry_after="7"), FINE]) as model,
        running(model.base_url, clock=clock, shared=shared) as rig,
        running(model.base_url, clock=clock, shared=shared) as elsewhere,
        rig.grant() as grant,
        elsewhere.grant() as other,
    ):
        asking = asyncio.create_task(post(grant))
        await until(lambda: clock.slept == [7.0])
        waiting = asyncio.create_task(post(other))
        await until(lambda: len(clock.slept) == 2)
        await clock.advance(6.9)
        assert len(model.requests) == 1
        shared.until = None
        await clock.advance(0.2)
        assert [response.status_code for response in await asyncio.gather(asking, waiting)] == [200, 200]


async def test_a_wait_that_is_too_long_is_left_to_the_queue_with_its_time():
    async with (
        scripted_model([error(429, "rate_limit_error", "slow", retry_after="3600")]) as model,
        running(model.base_url) as rig,
        rig.grant() as grant,
        rig.grant() as other,
    ):
        await post(grant)
        assert type(grant.failure) is errors.ModelRateLimited
        assert grant.failure.retry_at == NOON + timedelta(seconds=3600)
        await post(other)
        assert type(other.failure) is errors.ModelRateLimited
        assert other.failure.retry_at == NOON + timedelta(seconds=3600)
    assert rig.clock.slept == []
    assert len(model.requests) == 1


async def test_a_revoked_grant_waits_for_nothing():
    clock = FakeClock()
    async with (
        scripted_model([error(529, "overloaded_error", "busy")]) as model,
        running(model.base_url, clock=clock) as rig,
        rig.grant() as grant,
    ):
        asking = asyncio.create_task(post(grant))
        await until(lambda: bool(clock.slept))
        grant.revoke()
        assert (await asking).status_code == 403
    assert len(model.requests) == 1


async def test_a_pause_during_the_wait_ends_it_without_a_further_request():
    clock = FakeClock()
    async with (
        scripted_model([error(529, "overloaded_error", "busy"), FINE]) as model,
        running(model.base_url, clock=clock) as rig,
        rig.grant() as grant,
    ):
        asking = asyncio.create_task(post(grant))
        await until(lambda: bool(clock.slept))
        await rig.gateway._on_profile_failure(errors.ModelKeyRejected("dead"))
        await clock.advance(60)
        assert (await asking).status_code == 403
        assert type(grant.failure) is errors.Paused
    assert len(model.requests) == 1


async def test_an_error_in_the_middle_of_an_answer_is_its_class_and_ends_it():
    broken = replace(FINE, pieces=[*FINE.pieces[:3], event("error", error={"type": "overloaded_error", "message": "busy"})])
    async with scripted_model([broken]) as model, running(model.base_url) as rig, rig.grant() as grant:
        with pytest.raises(httpx.RemoteProtocolError):
            await post(grant)
        await grant.settled(5)
        assert type(grant.failure) is errors.ModelOverloaded
    assert len(model.requests) == 1


async def test_a_key_that_cannot_be_had_is_a_rejected_key_and_nothing_is_sent():
    def locked():
        raise SecretUnavailable("The keyring is locked.", remedy="Unlock it.")

    async with scripted_model([FINE]) as model, running(model.base_url, key=locked) as rig, rig.grant() as grant:
        await post(grant)
        assert type(grant.failure) is errors.ModelKeyRejected
        assert grant.failure.remedy == "Unlock it."
    assert model.requests == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 200])
async def test_the_key_is_in_no_answer_no_failure_and_no_log(status, caplog):
    caplog.set_level("DEBUG")
    echo = f"your key {KEY} is bad; " + "x" * 170 + KEY
    answer = (
        error(status, "authentication_error", echo)
        if status != 200
        else Answer(200, pieces=[event("error", error={"type": "api_error", "message": echo})])
    )
    async with scripted_model([answer]) as model, running(model.base_url) as rig, rig.grant() as grant:
        response = await post(grant)
    assert KEY not in response.text + str(response.headers)
    assert KEY not in str(grant.failure) + repr(grant.failure)
    assert KEY[:24] not in str(grant.failure)
    assert len(str(grant.failure)) < 300
    ours = [record for record in caplog.records if record.name.startswith("prreview")]
    assert KEY not in "".join(record.getMessage() + str(record.__dict__) for record in ours)


async def test_a_key_with_a_line_feed_is_not_quoted_by_the_error():
    async with (
        scripted_model([FINE]) as model,
        running(model.base_url, key=type("Bad", (), {"reveal": lambda _: KEY + "\n"})) as rig,
        rig.grant() as grant,
    ):
        await post(grant)
        assert type(grant.failure) is errors.ModelUnreachable
        assert KEY not in str(grant.failure)
        assert grant.failure.__cause__ is None
    assert model.requests == []


async def test_a_fault_of_the_gateway_fails_closed(monkeypatch):
    async with scripted_model([FINE]) as model, running(model.base_url) as rig, rig.grant() as grant:

        async def broken(*_: object) -> str:
            raise RuntimeError("bug")

        monkeypatch.setattr(rig.book, "reserve", broken)
        assert (await post(grant, body())).status_code == 500
        assert type(grant.failure) is errors.Internal
    assert model.requests == []


async def test_a_pause_that_cannot_be_written_still_fails_the_review():
    async with scripted_model([error(401, "authentication_error", "no")]) as model, running(model.base_url) as rig, rig.grant() as grant:

        async def broken(_: errors.Failure) -> None:
            raise OSError("disk full")

        rig.gateway._on_profile_failure = broken
        assert (await post(grant)).status_code == 401
        assert type(grant.failure) is errors.ModelKeyRejected
