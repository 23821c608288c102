"""The bill, in plain Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime

from prreview_cli.core import errors
from prreview_cli.core.job import Lease, Standing
from prreview_cli.core.ports.store import CapReached, Caps
from prreview_cli.core.review import Usage
from prreview_cli.store import wording
from prreview_cli.store.memory.tables import Call, Tables, key_of


class MemorySpend:
    """`Spend` over a dictionary of calls."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def reserve(self, lease: Lease | None, usd: float, caps: Caps, now: datetime) -> str:
        calls = self._tables.calls
        if lease is not None:
            self._expect_held(lease)
            self._check("review", caps.review, usd, lambda call: call.job == lease.job.id)
            self._check("pull_request", caps.pull_request, usd, lambda call: call.key == key_of(lease.job))
        self._check("day", caps.day, usd, lambda call: _day(call.reserved) == _day(now), self._all())
        reservation = f"s{len(calls) + len(self._tables.old_calls) + 1:08d}"
        job, key = (None, None) if lease is None else (lease.job.id, key_of(lease.job))
        calls[reservation] = Call(job, key, now, Usage(usd=usd, model_calls=1))
        return reservation

    async def settle(self, reservation: str, usage: Usage, status: int | None, now: datetime) -> None:  # noqa: ARG002  (the port's)
        call = self._tables.calls.get(reservation)
        if call is None:
            raise ValueError(f"There is no reservation {reservation!r}.")
        if not call.settled:
            call.usage, call.status, call.settled = usage, status, True

    async def of_job(self, job_id: str) -> Usage:
        return self._sum(lambda call: call.job == job_id)

    async def today(self, now: datetime) -> float:
        return self._sum(lambda call: _day(call.reserved) == _day(now), self._all()).usd

    async def by_day(self, first: date, last: date) -> dict[date, float]:
        spent: dict[date, Usage] = {}
        for call in self._all():
            day = call.reserved.astimezone(UTC).date()
            if first <= day <= last:
                spent[day] = spent.get(day, Usage()) + call.usage
        return {day: spent[day].usd for day in sorted(spent)}

    async def requests_by_status(self) -> dict[str, int]:
        made = [call for call in self._all() if call.settled and (call.status is not None or call.usage.model_calls)]
        return dict(Counter("none" if call.status is None else str(call.status) for call in made))

    async def total(self) -> float:
        return self._sum(lambda _: True, self._all()).usd

    async def prune(self, before: datetime, limit: int) -> int:
        tables = self._tables
        old = sorted((call.reserved, id_) for id_, call in tables.calls.items() if call.reserved < before)[:limit]
        tables.old_calls += [tables.calls.pop(id_) for _, id_ in old]
        return len(old)

    def _expect_held(self, lease: Lease) -> None:
        row = self._tables.held(lease)
        if row is None or self._tables.standing(row) is not Standing.HELD:
            raise errors.Stopped(wording.TAKEN_BACK)

    def _all(self) -> list[Call]:
        """Those too that are known by their sums alone."""
        return [*self._tables.old_calls, *self._tables.calls.values()]

    def _check(self, cap: str, limit: float, usd: float, counts: Callable[[Call], bool], calls: list[Call] | None = None) -> None:
        spent = self._sum(counts, calls).usd
        if round(spent + usd, 9) > limit:
            raise CapReached(cap, limit, spent)

    def _sum(self, counts: Callable[[Call], bool], calls: list[Call] | None = None) -> Usage:
        counted = self._tables.calls.values() if calls is None else calls
        return sum((call.usage for call in counted if counts(call)), Usage())


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()
