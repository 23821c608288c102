"""Who listens: the webhook, the ops page, and how a delivery is signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prreview_cli.core.ports.host import WebhookReader
from prreview_cli.core.ports.store import Store

if TYPE_CHECKING:
    pass

from prreview_cli.wiring.house import House


@asynccontextmanager
async def listeners(house: House, store: Store, port: int, ops_port: int) -> AsyncIterator[tuple[str, str]]:
    """The public listener and the one on loopback, on their ports: (the webhook's address, the ops page's)."""
    from prreview_cli.telemetry.metrics import Metrics  # noqa: PLC0415 - only who listens needs these
    from prreview_cli.web.endpoint import WEBHOOK_PATH, Endpoint  # noqa: PLC0415
    from prreview_cli.web.listener import Listener  # noqa: PLC0415
    from prreview_cli.web.ops import Ops  # noqa: PLC0415

    metrics = Metrics()
    public = Endpoint(house.intake(store), store.check_writable, house.clock, tally=metrics)
    ops = Ops(store, house.clock, metrics, house.profile.environment)
    async with (
        Listener(public, house.profile.server.host, port, setting="server.port", turned_away=metrics.turned_away) as outside,
        Listener(ops, "127.0.0.1", ops_port, setting="server.ops_port") as inside,
    ):
        yield f"{outside.url}{WEBHOOK_PATH}", inside.url


@asynccontextmanager
async def ops_listener(house: House, store: Store, port: int) -> AsyncIterator[str]:
    """The listener on loopback alone, for a pool without a server; its address."""
    from prreview_cli.telemetry.metrics import Metrics  # noqa: PLC0415 - only who listens needs these
    from prreview_cli.web.listener import Listener  # noqa: PLC0415
    from prreview_cli.web.ops import Ops  # noqa: PLC0415

    ops = Ops(store, house.clock, Metrics(), house.profile.environment)
    async with Listener(ops, "127.0.0.1", port, setting="--ops-port") as inside:
        yield inside.url


def webhook_dialect(house: House) -> WebhookReader:
    """How the profile's host signs and words a delivery, with the profile's webhook secrets."""
    from prreview_cli.hosts import webhook  # noqa: PLC0415 - only a replay needs it

    return webhook(house.profile, house.vault.webhook_secrets)
