"""Where everything lives that must outlive a process. A store is one folder here and one `case` below."""

from __future__ import annotations

from prreview_cli.core.errors import NotYetKept, ProfileError
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Store

__all__ = ["open_store"]

PATIENCE_MS = 10_000
"""How long a write waits for another process's. The accepting side takes 3,000: the host itself waits 10 s."""


async def open_store(
    url: str, *, environment: str, host: str, clock: Clock, busy_timeout_ms: int = PATIENCE_MS, must_exist: bool = False
) -> Store:
    """Open the database of `queue.url`, creating it unless it `must_exist`.

    It belongs to one environment and one code host for good. StoreUnusable if it cannot be used.
    """
    match url.partition(":")[0]:
        case "sqlite":
            from prreview_cli.store.sqlite import open_sqlite, parse_sqlite_url  # noqa: PLC0415  (`--help` loads no database)

            path = parse_sqlite_url(url)
            return await open_sqlite(
                path, environment=environment, host=host, clock=clock, busy_timeout_ms=busy_timeout_ms, must_exist=must_exist
            )
        case "postgresql":
            raise NotYetKept("queue.url names a PostgreSQL database, which this version cannot use yet.")
        case _:
            raise ProfileError(
                f"queue.url is {url!r}, which is no kind of database that is known.", remedy="Write sqlite:////absolute/path."
            )
