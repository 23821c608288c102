"""What SQLite does for each query: the hot ones must cost the same behind a million jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from prreview_cli.store.sqlite.migrate import migrations
from prreview_cli.store.sqlite.queries import load, statements

FILES = ["jobs.sql", "circuits.sql", "reviews.sql", "spend.sql", "switches.sql", "pools.sql"]
SMALL = (
    "SCAN pause",
    "SCAN circuit",
    "SCAN write_turn",
    "SCAN pool",
    "SCAN meta",
    "SCAN spend_day",
    "SCAN model_request",
    "SCAN review_time",
    "SCAN CONSTANT ROW",
    "SCAN (subquery",
    "SCAN overtaking",
    "SCAN flow",
)
PARTIAL = ("job_ready", "job_turn", "job_scheduled", "job_set_back", "job_due", "job_one_waiting", "job_one_running")
BOUNDED_BY_THEIR_LIMIT = {"jobs"}


class Anything(dict[str, Any]):
    """A value for every parameter."""

    def __missing__(self, name: str) -> int:
        return 1


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    for file in migrations():
        for statement in statements(file):
            connection.execute(statement)
    yield connection
    connection.close()


def plan(db: sqlite3.Connection, sql: str) -> list[str]:
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", Anything())]


@pytest.mark.parametrize(("file", "name"), [(file, name) for file in FILES for name in load(file)])
def test_no_query_walks_a_table_that_grows(db: sqlite3.Connection, file: str, name: str) -> None:
    if name in BOUNDED_BY_THEIR_LIMIT:
        return
    walks = [step for step in plan(db, load(file)[name]) if step.startswith("SCAN") and not step.startswith(SMALL)]
    assert all(any(f"INDEX {index}" in walk for index in PARTIAL) for walk in walks), walks


def test_a_claim_reads_the_ready_jobs_in_order_and_stops_at_the_first(db: sqlite3.Connection) -> None:
    steps = plan(db, load("jobs.sql")["next"])

    assert "SEARCH job USING INDEX job_ready (priority<?)" in steps
    assert not any("TEMP B-TREE" in step for step in steps)


def test_where_repositories_are_bounded_a_claim_reads_the_first_of_each_and_walks_through_none(db: sqlite3.Connection) -> None:
    steps = plan(db, load("jobs.sql")["next_with_room"])

    assert "SEARCH job USING COVERING INDEX job_turn (repository_id>?)" in steps
    assert any(step.startswith("SEARCH first USING COVERING INDEX job_turn (repository_id=? AND priority<?)") for step in steps)
    assert [step for step in steps if "TEMP B-TREE" in step] == ["USE TEMP B-TREE FOR ORDER BY"], "of the repositories, not of their jobs"


def test_what_every_look_at_the_metrics_asks_is_found_without_a_walk(db: sqlite3.Connection) -> None:
    assert "SEARCH job USING INDEX job_due (due<?)" in plan(db, load("jobs.sql")["oldest_due"])


def test_a_turn_and_the_ripe_jobs_are_found_without_a_walk(db: sqlite3.Connection) -> None:
    assert "SEARCH job USING INDEX job_scheduled (due<?)" in plan(db, load("jobs.sql")["ripe"])
    assert any("job_turn (repository_id=? AND priority=?)" in step for step in plan(db, load("jobs.sql")["insert_job"]))


def test_every_query_is_complete_and_named_once() -> None:
    for file in FILES:
        queries = load(file)
        assert all(sqlite3.complete_statement(sql + ";") for sql in queries.values()), file
        assert not any("--" in sql for sql in queries.values()), file


@pytest.mark.parametrize("hindrance", [None, "pause", "bound"])
def test_pause_and_bound_are_conditions_of_the_taking_itself(db: sqlite3.Connection, hindrance: str | None) -> None:
    job = Anything(repository="octo/demo", head_sha="a", base_ref="main", state="queued", author="alice")
    db.execute(load("jobs.sql")["insert_job"], job)
    if hindrance == "pause":
        db.execute(load("switches.sql")["pause"], {"reason": "By hand.", "since": 0, "until": None})

    asked = {"worker": "w1", "lease": 1, "now": 1, "id": 1, "reviews": 0 if hindrance == "bound" else 1}
    taken = db.execute(load("jobs.sql")["claim"], asked).fetchall()

    assert len(taken) == (hindrance is None)
