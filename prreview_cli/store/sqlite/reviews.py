"""Finished reviews on SQLite."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime

from prreview_cli.core.job import Lease
from prreview_cli.core.review import Review, from_json, to_json
from prreview_cli.store.sqlite.database import Database
from prreview_cli.store.sqlite.holds import held
from prreview_cli.store.sqlite.queries import load
from prreview_cli.store.sqlite.rows import millis, one, row_id

_SQL = load("reviews.sql")


class SqliteReviews:
    """`Reviews`, kept as the JSON that the tool prints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def store(self, lease: Lease, review: Review, now: datetime) -> bool:
        body = json.dumps(to_json(review), separators=(",", ":"))

        def store(db: sqlite3.Connection) -> bool:
            row = held(db, lease)
            if row is None:
                return False
            db.execute(_SQL["store"], {"job": row["id"], "now": millis(now), "body": body})
            db.execute(_SQL["mark"], {"id": row["id"], "now": millis(now)})
            return True

        return await self._database.write(store, durable=True)

    async def of(self, job_id: str) -> Review | None:
        row = await self._database.read(lambda db: one(db, _SQL["review"], {"job": row_id(job_id)}))
        if row is None:
            return None
        review = from_json(json.loads(row["body"]))
        return review if row["review_id"] is None else review.posted_as(row["review_id"])

    async def prune(self, before: datetime, limit: int) -> int:
        old = {"before": millis(before), "limit": limit}
        return await self._database.write(lambda db: db.execute(_SQL["prune"], old).rowcount)
