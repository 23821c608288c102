"""Keeping what was delivered, so that it can be delivered again (`Jobs.accept`, `Jobs.delivery`, `Jobs.prune`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from prreview_cli.core.events import Delivery, Ignore, Review
from support.stores import NOON, STORES, Bench, bench, delivery, target

BODY = b'{"title": "caf\xc3\xa9 \xff \x00"}' * 1000


@pytest.fixture(params=STORES)
async def at(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench(request.param, tmp_path) as opened:
        yield opened


async def accept(at: Bench, name: str, body: bytes | None) -> Delivery:
    decision = Review(target())
    made = replace(delivery(decision, at.now, name), body=body)
    await at.jobs.accept(made, decision, 0.0, at.now)
    return made


async def test_a_body_comes_back_byte_for_byte_with_its_delivery(at: Bench) -> None:
    made = await accept(at, "d-1", BODY)
    found = await at.jobs.delivery("d-1")
    assert found == made
    assert found is not None
    assert found.body == BODY


async def test_of_a_redelivered_id_the_newest_is_found(at: Bench) -> None:
    await accept(at, "d-1", b"old")
    at.later(1)
    await accept(at, "d-1", b"new")
    await accept(at, "d-2", b"other")
    found = await at.jobs.delivery("d-1")
    assert found is not None
    assert (found.body, found.received) == (b"new", at.now)


async def test_a_delivery_without_a_body_is_found_without_one(at: Bench) -> None:
    await at.accept(Ignore("A ping."), name="d-1")
    found = await at.jobs.delivery("d-1")
    assert found is not None
    assert found.body is None
    assert await at.jobs.delivery("d-2") is None
    assert await at.jobs.delivery("") is None


async def test_more_bodies_than_are_written_at_once_are_all_kept(at: Bench) -> None:
    for number in range(40):
        await accept(at, f"d-{number}", b"%d" % number)
    kept = [await at.jobs.delivery(f"d-{number}") for number in range(40)]
    assert [each and each.body for each in kept] == [b"%d" % number for number in range(40)]


async def test_a_body_is_pruned_with_its_delivery(at: Bench) -> None:
    await accept(at, "d-1", b"old")
    assert await at.jobs.delivery("d-1") is not None
    at.later(100)
    await accept(at, "d-2", b"new")
    assert await at.jobs.delivery("d-2") is not None

    await at.jobs.prune(at.now, 100)

    assert await at.jobs.delivery("d-1") is None
    found = await at.jobs.delivery("d-2")
    assert found is not None
    assert found.body == b"new"


def test_no_log_and_no_comparison_sees_a_body() -> None:
    made = replace(delivery(Ignore("A ping."), NOON), body=b"a stranger's text")
    assert "stranger" not in repr(made)
    assert made == replace(made, body=None)
