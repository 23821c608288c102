"""`prreview digest` over what real workers left in the database."""

from __future__ import annotations

from pathlib import Path

from support.stage import Stage, eventually


async def test_a_digest_tells_what_the_week_came_to(tmp_path: Path) -> None:
    with Stage(tmp_path, pulls=3) as stage:
        stage.hosted.pulls[3].association = "NONE"
        assert (await stage.told("sweep"))["queued"] == 3
        async with stage.working():
            told = await eventually(stage, ["digest"], lambda said: said["jobs"]["posted"] + said["jobs"]["skipped"] == 3)
        bill = (await stage.told("status"))["usd_today"]
        code, text, err = await stage.run("digest", "--since", "24h")
        assert (code, err) == (0, "")
        code, markdown, err = await stage.run("digest", "--format", "markdown")
        assert (code, err) == (0, "")

        assert told["jobs"] == {"posted": 2, "skipped": 1, "superseded": 0, "dead": 0}
        assert told["reviews"]["posted"] == len(stage.reviews()) == 2
        assert (told["unfinished"], told["failures"], told["dead"]) == (0, {}, {})
        assert 0 < told["usd"] <= bill
        assert sum(told["usd_by_day"].values()) >= told["usd"]
        assert told["latency_s"]["reviews"] == 2
        assert told["latency_s"]["p90"] >= told["latency_s"]["p50"] > 0
        (version,) = told["versions"]
        assert (version["model"], version["reviews"]["posted"]) == ("claude-sonnet-4-5-20250929", 2)
        ((skipped),) = told["skipped"]
        assert skipped == {"reason": "The author … is not among review.authors and may not write to the repository.", "jobs": 1}

        assert "posted      2: 2 complete, 0 partial" in text
        assert "| octo/shop | 2 |" in markdown
        assert all("\x1b" not in said for said in (text, markdown))


async def test_an_empty_or_absent_database_is_told_from_a_quiet_week(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        code, _, err = await stage.run("digest")
        assert code == 2
        assert "database" in err
        await stage.told("sweep", "--dry-run")
        assert (await stage.told("digest"))["jobs"] == {"posted": 0, "skipped": 0, "superseded": 0, "dead": 0}
        assert (await stage.run("digest", "--since", "a week"))[0] == 2
