"""The bill on SQLite: the caps are checked in the transaction that reserves."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from prreview_cli.core import errors
from prreview_cli.core.job import Lease, Standing
from prreview_cli.core.ports.store import CapReached, Caps
from prreview_cli.core.review import Usage
from prreview_cli.store import wording
from prreview_cli.store.sqlite.database import Database
from prreview_cli.store.sqlite.holds import standing
from prreview_cli.store.sqlite.queries import load
from prreview_cli.store.sqlite.rows import NANO, millis, one, row_id, usage

_SQL = load("spend.sql")
_DAY_MS = 86_400_000
_FIRST_DAY = date(1970, 1, 1)


class SqliteSpend:
    """`Spend` in nano-USD, so that a thousand small sums add up exactly."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, lease: Lease | None, usd: float, caps: Caps, now: datetime) -> str:
        return await self._database.write(lambda db: _reserve(db, lease, usd, caps, millis(now)), durable=True)

    async def settle(self, reservation: str, usage: Usage, status: int | None, now: datetime) -> None:
        await self._database.write(lambda db: _settle(db, reservation, usage, status, millis(now)), durable=True)

    async def of_job(self, job_id: str) -> Usage:
        row = await self._database.read(lambda db: one(db, _SQL["usage"], {"id": row_id(job_id)}))
        return usage(row)

    async def today(self, now: datetime) -> float:
        return await self._sum("of_day", {"day": _day(millis(now))})

    async def by_day(self, first: date, last: date) -> dict[date, float]:
        days = {"first": (first - _FIRST_DAY).days, "last": (last - _FIRST_DAY).days}
        rows = await self._database.read(lambda db: db.execute(_SQL["by_day"], days).fetchall())
        return {_FIRST_DAY + timedelta(days=row["day"]): row["nano_usd"] / NANO for row in rows}

    async def requests_by_status(self) -> dict[str, int]:
        rows = await self._database.read(lambda db: db.execute(_SQL["requests"]).fetchall())
        return {row["status"]: row["requests"] for row in rows}

    async def total(self) -> float:
        return await self._sum("total", {})

    async def prune(self, before: datetime, limit: int) -> int:
        old = {"before": millis(before), "limit": limit}
        return await self._database.write(lambda db: db.execute(_SQL["prune"], old).rowcount)

    async def _sum(self, query: str, values: Mapping[str, int]) -> float:
        return await self._database.read(lambda db: _spent(db, query, values) / NANO)


def _reserve(db: sqlite3.Connection, lease: Lease | None, usd: float, caps: Caps, now: int) -> str:
    nano = _nano(usd)
    row: dict[str, Any] = {"id": None, "repository_id": None, "number": None, "day": _day(now), "nano_usd": nano, "now": now}
    if lease is not None:
        if standing(db, lease) is not Standing.HELD:
            raise errors.Stopped(wording.TAKEN_BACK)
        row |= {"id": row_id(lease.job.id), "repository_id": lease.job.repository_id, "number": lease.job.number}
        _check("review", caps.review, nano, _spent(db, "of_review", row))
        _check("pull_request", caps.pull_request, nano, _spent(db, "of_pull_request", row))
    _check("day", caps.day, nano, _spent(db, "of_day", row))
    reservation = db.execute(_SQL["reserve"], row).lastrowid or 0
    db.execute(_SQL["add_to_day"], row)
    return f"s{reservation:08d}"


def _settle(db: sqlite3.Connection, reservation: str, usage: Usage, status: int | None, now: int) -> None:
    """The difference goes to the day of the reservation. A second settlement changes nothing."""
    number = int(reservation[1:]) if reservation[1:].isascii() and reservation[1:].isdigit() else 0
    reserved = one(db, _SQL["reservation"], {"id": number})
    if reserved is None:
        raise ValueError(f"There is no reservation {reservation!r}.")
    if reserved["settled"] is not None:
        return
    nano = _nano(usage.usd)
    tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens, "model_calls": usage.model_calls}
    db.execute(_SQL["settle"], {"id": number, "nano_usd": nano, "status": status, "now": now, **tokens})
    db.execute(_SQL["add_to_day"], {"day": reserved["day"], "nano_usd": nano - reserved["nano_usd"]})
    if status is not None or usage.model_calls:
        db.execute(_SQL["count_request"], {"status": "none" if status is None else str(status)})


def _spent(db: sqlite3.Connection, query: str, values: Mapping[str, Any]) -> int:
    return int(one(db, _SQL[query], values)["nano_usd"])


def _check(cap: str, limit: float, nano: int, spent: int) -> None:
    if spent + nano > _nano(limit):
        raise CapReached(cap, limit, spent / NANO)


def _nano(usd: float) -> int:
    return round(usd * NANO)


def _day(millis: int) -> int:
    return millis // _DAY_MS
