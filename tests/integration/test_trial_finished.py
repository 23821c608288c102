"""What the load test reads of a server's database: held against the store that writes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from prreview_cli.trials.finished import finished
from support.stores import REVIEW, bench


async def test_a_review_that_is_stored_is_found_whether_posted_or_not_and_one_that_is_not_is_not(tmp_path: Path) -> None:
    async with bench("sqlite", tmp_path) as at:
        await at.pushed(number=1)
        await at.pushed(number=2)
        lease = await at.claimed()
        await at.jobs.begin(lease, at.now)
        assert await at.store.reviews.store(lease, replace(REVIEW, number=lease.job.number), at.now)
        assert finished(tmp_path / "q.db", [1, 2, 3]) == [lease.job.number]
        assert finished(tmp_path / "q.db", [3]) == []


def test_a_database_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    assert finished(tmp_path / "q.db", [1]) == []
    (tmp_path / "q.db").touch()
    assert finished(tmp_path / "q.db", [1]) == []
