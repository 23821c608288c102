"""Outages, limits and turns on SQLite: a row for each service, and one for the turns."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

from prreview_cli.core.circuit import Circuit, Event, Service, after
from prreview_cli.core.pace import Pace, Taken, next_turn
from prreview_cli.store.sqlite.database import Database
from prreview_cli.store.sqlite.queries import load
from prreview_cli.store.sqlite.rows import job_id, maybe_moment, millis, one, plain, row_id

_SQL = load("circuits.sql")


class SqliteCircuits:
    """`Circuits` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, service: Service, event: Event, now: datetime) -> tuple[Circuit, Circuit]:
        # A model call that was answered is noted each time, and nearly always there is nothing to change.
        known = await self._database.read(lambda db: _read(db, service))
        if after(known, event, now) == known:
            return known, known
        return await self._database.write(lambda db: _note(db, service, event, now))

    async def all(self) -> list[Circuit]:
        return await self._database.read(lambda db: [_read(db, service) for service in Service])


class SqliteTurns:
    """`Turns` over one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def next(self, pace: Pace, patience_s: float, now: datetime) -> datetime:
        return await self._database.write(lambda db: _next(db, pace, patience_s, now))


def _note(db: sqlite3.Connection, service: Service, event: Event, now: datetime) -> tuple[Circuit, Circuit]:
    before = _read(db, service)
    db.execute(_SQL["keep"], _row(after(before, event, now)))
    return before, _read(db, service)


def _read(db: sqlite3.Connection, service: Service) -> Circuit:
    row = one(db, _SQL["circuit"], {"service": service.value})
    probe = None if row["probe_job"] is None else (job_id(row["probe_job"]), int(row["probe_claim"]))
    since, until, limited, noted = (maybe_moment(row[name]) for name in ("since", "until", "limited_until", "noted"))
    return Circuit(service, row["failures"], since, until, limited, row["reason"], probe, noted)


def _row(circuit: Circuit) -> dict[str, Any]:
    job, claim = circuit.probe or ("", None)
    return {
        "service": circuit.service.value,
        "failures": circuit.failures,
        "since": _millis(circuit.since),
        "until": _millis(circuit.until),
        "limited_until": _millis(circuit.limited_until),
        "noted": _millis(circuit.noted),
        "reason": plain(circuit.reason),
        "probe_job": None if claim is None else row_id(job),
        "probe_claim": claim,
    }


def _next(db: sqlite3.Connection, pace: Pace, patience_s: float, now: datetime) -> datetime:
    row = one(db, _SQL["taken"], {})
    taken = Taken() if row is None else Taken(maybe_moment(row["last"]), maybe_moment(row["whole"]))
    turn, taken = next_turn(taken, pace, patience_s, now)
    db.execute(_SQL["take"], {"last": _millis(taken.last), "whole": _millis(taken.whole)})
    return turn


def _millis(at: datetime | None) -> int | None:
    return None if at is None else millis(at)
