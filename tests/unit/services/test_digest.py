"""The figures of a digest, and how it reads."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from prreview_cli.cli import digest_view
from prreview_cli.cli.periods import began
from prreview_cli.core.errors import UsageError
from prreview_cli.core.job import Job, State
from prreview_cli.core.ports.store import Depth, Ended, Gist
from prreview_cli.core.review import ReviewStatus, Severity, Usage
from prreview_cli.services.digest import Digest, Version, summarize

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
JOB = Job(
    id="j00000001",
    repository_id=7,
    repository="octo/demo",
    number=1,
    head_sha="a" * 40,
    base_ref="main",
    run=0,
    state=State.POSTED,
    attempts=0,
    claim=1,
    generation=1,
    priority=0,
    author="alice",
    admitted=True,
    reviewed=True,
    reason=None,
    failure=None,
    created=NOON,
    updated=NOON + timedelta(seconds=60),
)


def gist(errors: int = 0, warnings: int = 0, infos: int = 0, **changes: Any) -> Gist:
    counts = {Severity.ERROR: errors, Severity.WARNING: warnings, Severity.INFO: infos}
    return replace(Gist(ReviewStatus.COMPLETE, counts, "1", "abc", "claude"), **changes)


def posted(review: Gist | None, took_s: float = 60, usd: float = 0.25, **changes: Any) -> Ended:
    job = replace(JOB, updated=NOON + timedelta(seconds=took_s), **changes)
    return Ended(job, Usage(100, 10, usd, 2), (), review)


async def digest_of(*ended: Ended, waiting: int = 0) -> Digest:
    async def told(*_: Any) -> list[Ended]:
        return list(ended)

    async def by_day(*_: Any) -> dict[date, float]:
        return {date(2026, 11, 23): 1.0, date(2026, 11, 24): 3.5}

    async def depth(*_: Any) -> Depth:
        return Depth({State.QUEUED: waiting, State.RUNNING: 1, State.POSTED: 99}, None)

    store: Any = SimpleNamespace(jobs=SimpleNamespace(ended=told, depth=depth), spend=SimpleNamespace(by_day=by_day))
    return await summarize(store, NOON - timedelta(days=7), NOON)


async def test_quality_is_counted_over_the_reviews_that_were_made_here_and_posted() -> None:
    digest = await digest_of(
        posted(gist(2, 1)),
        posted(gist(status=ReviewStatus.PARTIAL)),
        posted(None, usd=0),
        Ended(replace(JOB, state=State.SUPERSEDED), Usage(5, 5, 0.5, 1), (), gist(9, 9, 9)),
        waiting=2,
    )
    assert digest.outcomes == {State.POSTED: 3, State.SKIPPED: 0, State.SUPERSEDED: 1, State.DEAD: 0}
    assert (digest.found, digest.unfinished) == (1, 3)
    assert (digest.all.reviews, digest.all.partial, digest.all.silent, digest.all.usd) == (2, 1, 1, 0.5)
    assert digest.all.findings == {"error": 2, "warning": 1, "info": 0}
    assert digest.all.per_review == 1.5
    assert digest.usage == Usage(305, 35, 1.0, 7), "what led to no review was paid all the same"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [([7], (7, 7)), ([1, 2], (1, 2)), (list(range(1, 11)), (5, 9)), ([3, -5, 1], (1, 3)), (list(range(1, 101)), (50, 90))],
)
async def test_latency_is_by_nearest_rank_and_never_negative(seconds: list[float], expected: tuple[float, float]) -> None:
    digest = await digest_of(*(posted(gist(), took) for took in seconds))
    assert digest.latency is not None
    assert (digest.latency.reviews, (digest.latency.p50, digest.latency.p90)) == (len(seconds), expected)


async def test_versions_and_repositories_are_held_against_each_other() -> None:
    digest = await digest_of(
        posted(gist(1), repository="octo/a"),
        posted(gist(3, contract_version="2"), repository="octo/b"),
        posted(gist(contract_version="2", guidelines_version=None), repository="octo/b"),
        posted(gist(1, contract_version="2"), repository="octo/a"),
        posted(gist(), repository="octo/b"),
    )
    assert {name: tally.reviews for name, tally in digest.repositories.items()} == {"octo/b": 3, "octo/a": 2}
    assert list(digest.repositories) == ["octo/b", "octo/a"]
    per_review = {version: tally.per_review for version, tally in digest.versions.items()}
    assert per_review == {Version("1", "abc", "claude"): 0.5, Version("2", "abc", "claude"): 2.0, Version("2", None, "claude"): 0.0}


async def test_failures_and_reasons_are_counted_by_kind_and_not_by_person() -> None:
    refused = "The author {} is not among review.authors and may not write to the repository."
    skipped = replace(JOB, state=State.SKIPPED)
    digest = await digest_of(
        Ended(replace(skipped, author="mallory", reason=refused.format("mallory")), Usage()),
        Ended(replace(skipped, author="eve", reason=refused.format("eve")), Usage()),
        Ended(replace(skipped, reason="The pull request is a draft."), Usage()),
        Ended(replace(JOB, state=State.DEAD, failure="turn_limit"), Usage(), ("model_overloaded", "turn_limit")),
        posted(gist()),
        replace(posted(gist()), failures=("model_overloaded",)),
    )
    assert digest.skipped == {refused.format("…"): 2, "The pull request is a draft.": 1}
    assert digest.dead == {"turn_limit": 1}
    assert digest.failures == {"model_overloaded": 2, "turn_limit": 1}


async def test_an_empty_week_is_said_without_a_division(capsys: pytest.CaptureFixture[str]) -> None:
    digest = await digest_of()
    digest_view.print_digest(digest, "test", None)
    text = capsys.readouterr().out
    assert "posted      0: 0 complete, 0 partial" in text
    assert "latency     -" in text
    assert "REPOSITORY" not in text
    assert "latency** -" in digest_view.markdown(digest, "test", None)
    assert digest_view.as_json(digest, "test", None)["latency_s"] is None


async def test_it_says_what_it_cannot_know() -> None:
    digest = await digest_of()
    for told in (digest_view.markdown(digest, "test", 30), json.dumps(digest_view.as_json(digest, "test", 30))):
        assert "whether the authors acted on a finding" in told
        assert "more than 30 days ago" in told
    assert "days ago" not in digest_view.markdown(digest, "test", None)


async def test_markdown_lets_nothing_of_a_strangers_come_alive() -> None:
    reason = "No | more @octo/all <!-- x --> [a](http://evil.test) `b` #1"
    text = digest_view.markdown(await digest_of(Ended(replace(JOB, state=State.SKIPPED, reason=reason), Usage())), "test", None)
    (row,) = [line for line in text.splitlines() if "evil" in line]
    assert row.count("|") - row.count("\\|") == 3, "the stranger's bar opens no column"
    assert "`[a](http://evil.test`)" in row
    assert "<!--" not in row
    assert "`@octo/all`" in row


async def test_a_long_table_is_cut_for_people_and_whole_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    digest = await digest_of(*(posted(gist(), repository=f"octo/r{place:02d}") for place in range(25)))
    digest_view.print_digest(digest, "test", None)
    text = capsys.readouterr().out
    assert text.count("octo/r") == 20
    assert "and 5 more" in text
    assert len(digest_view.as_json(digest, "test", None)["repositories"]) == 25


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", NOON - timedelta(days=1)),
        ("7d", NOON - timedelta(days=7)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-24", NOON.replace(hour=0)),
    ],
)
def test_a_period_begins_some_time_ago_or_with_a_day(text: str, expected: datetime) -> None:
    assert began(text, NOON) == expected


@pytest.mark.parametrize("text", ["", "7", "0d", "-1d", "1w", "999999d", "2026-13-01", "2026-11-25", "now", "7d\n", "\u0667d"])
def test_what_names_no_beginning_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        began(text, NOON)
