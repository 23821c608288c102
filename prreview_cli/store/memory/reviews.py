"""Finished reviews, in plain Python."""

from __future__ import annotations

from datetime import datetime

from prreview_cli.core.job import Lease, Step
from prreview_cli.core.review import Review
from prreview_cli.store.bell import Bell
from prreview_cli.store.memory.tables import Tables


class MemoryReviews:
    """`Reviews` over a dictionary."""

    def __init__(self, tables: Tables, bell: Bell) -> None:
        self._tables = tables
        self._bell = bell

    async def store(self, lease: Lease, review: Review, now: datetime) -> bool:
        row = self._tables.held(lease)
        if row is None:
            return False
        self._tables.reviews[row.job.id] = review
        self._tables.stored[row.job.id] = now
        self._tables.step(row, Step.REVIEWED, now, reviewed=True)
        self._bell.ring()
        return True

    async def of(self, job_id: str) -> Review | None:
        return self._tables.reviews.get(job_id)

    async def prune(self, before: datetime, limit: int) -> int:
        tables = self._tables
        orphans = sorted((stored, job) for job, stored in tables.stored.items() if stored < before and job not in tables.jobs)[:limit]
        for _, job in orphans:
            del tables.reviews[job], tables.stored[job]
        return len(orphans)
