"""Taking a job, keeping it, and asking what the hold is worth."""

from __future__ import annotations

import sqlite3
from typing import Any

from prreview_cli.core.job import Lease, Standing
from prreview_cli.core.ports.store import Capacity
from prreview_cli.store.leases import Sign
from prreview_cli.store.sqlite.queries import load
from prreview_cli.store.sqlite.rows import job, one, row_id
from prreview_cli.store.turns import levels_down

_SQL = load("jobs.sql")
_CIRCUITS = load("circuits.sql")
_ANY = 1 << 62
"""A priority above all."""


def bounds(capacity: Capacity, now: int) -> dict[str, Any]:
    """What a claim may not exceed."""
    return {"reviews": capacity.reviews, "per_repository": capacity.per_repository, "now": now}


def claimable(db: sqlite3.Connection, capacity: Capacity, now: int) -> bool:
    """Whether a claim could succeed; reads only, so that idle workers leave the write lock alone."""
    room = one(db, _SQL["room"], bounds(capacity, now))
    return room is not None and (bool(room["scheduled"]) or _next(db, capacity, _ANY) is not None)


def claim(db: sqlite3.Connection, worker: str, capacity: Capacity, lease: int, now: int) -> Lease | None:
    """Take the next job, if one may be taken."""
    if not claimable(db, capacity, now):
        return None
    db.execute(_SQL["set_back"], {"now": now})
    for ripe in db.execute(_SQL["ripe"], {"now": now}).fetchall():
        db.execute(_SQL["take_turn"], {"id": ripe["id"]})
        db.execute(_SQL["ripen"], {"id": ripe["id"], "now": now})
    overtaken = int(one(db, _SQL["overtaken"], {})["claims"])
    chosen, behind = _choose(db, capacity, levels_down(overtaken))
    if chosen is None:
        return None
    row = one(db, _SQL["claim"], {**bounds(capacity, now), "id": chosen["id"], "worker": worker, "lease": lease})
    if row is None:
        return None
    if overtaken or behind:
        db.execute(_SQL["overtake"], {"claims": overtaken + 1 if behind else 0})
    return _held_by(db, row, worker, now)


def _choose(db: sqlite3.Connection, capacity: Capacity, down: int) -> tuple[Any, bool]:
    """The row of the job whose turn it is, so many priorities down if there are so many, and whether others stay behind it."""
    chosen = _next(db, capacity, _ANY)
    if chosen is None:
        return None, False
    while (lower := _next(db, capacity, chosen["priority"])) is not None and down > 0:
        chosen, down = lower, down - 1
    return chosen, lower is not None


def _next(db: sqlite3.Connection, capacity: Capacity, below: int) -> Any:
    """The first ready job of the highest priority below this one that its repository has room for."""
    query = "next_with_room" if capacity.per_repository else "next"
    return one(db, _SQL[query], {"below": below, "per_repository": capacity.per_repository})


class NoRoom(Exception):
    """A job may not be taken now; raised so that whatever was written for it is undone."""


def take(db: sqlite3.Connection, id_: str, worker: str, capacity: Capacity, lease: int, now: int) -> Lease:
    """Take this waiting job; NoRoom if it may not be taken now."""
    row = one(db, _SQL["take"], {**bounds(capacity, now), "id": row_id(id_), "worker": worker, "lease": lease})
    if row is None:
        raise NoRoom
    return _held_by(db, row, worker, now)


def _held_by(db: sqlite3.Connection, row: sqlite3.Row, worker: str, now: int) -> Lease:
    db.execute(_SQL["turn"], {"priority": row["priority"], "tag": row["tag"]})
    db.execute(_SQL["open_attempt"], {"id": row["id"], "claim": row["claim"], "worker": worker, "now": now})
    db.execute(_CIRCUITS["probe"], {"id": row["id"], "claim": row["claim"]})
    return Lease(job(row), worker)


def fence(lease: Lease) -> dict[str, int]:
    """What every write of a worker names."""
    job_id, claim = lease.fence
    return {"id": row_id(job_id), "claim": claim}


def held(db: sqlite3.Connection, lease: Lease) -> Any:
    """The row of `hold` for a lease that is not LOST, else None."""
    return one(db, _SQL["hold"], fence(lease))


def standing(db: sqlite3.Connection, lease: Lease) -> Standing:
    """What the lease is worth now."""
    row = held(db, lease)
    return Standing.LOST if row is None else Standing(row["standing"])


def sign(row: sqlite3.Row) -> Sign:
    """What the holder of a held job wrote last."""
    return Sign(row["id"], row["claim"], row["renewals"], row["lease"] / 1000)


def signs(db: sqlite3.Connection) -> list[Sign]:
    """Of all held jobs: no more than `workers.count`."""
    return [sign(row) for row in db.execute(_SQL["held"]).fetchall()]


def renew(db: sqlite3.Connection, lease: Lease, length: int) -> Standing:
    """Extend the lease, unless it is lost."""
    worth = standing(db, lease)
    if worth is not Standing.LOST:
        db.execute(_SQL["extend"], {"id": row_id(lease.job.id), "lease": length})
    return worth


def begin(db: sqlite3.Connection, lease: Lease, now: int) -> Standing:
    """Note that the paid part begins, if the lease is still good."""
    worth = standing(db, lease)
    if worth is Standing.HELD:
        db.execute(_SQL["began"], {"repository_id": lease.job.repository_id, "number": lease.job.number, "now": now})
    return worth


def begin_post(db: sqlite3.Connection, lease: Lease, now: int) -> Standing:
    """Note that a post begins, if the lease is still good."""
    worth = standing(db, lease)
    if worth is Standing.HELD:
        db.execute(_SQL["post_began"], {"repository_id": lease.job.repository_id, "number": lease.job.number, "at": now})
    return worth


def post_under_way(db: sqlite3.Connection, lease: Lease) -> int | None:
    """When the latest post to this pull request began whose outcome is not known."""
    known = one(db, _SQL["pull_request"], {"repository_id": lease.job.repository_id, "number": lease.job.number})
    began: int | None = known["post_began"]
    return began
