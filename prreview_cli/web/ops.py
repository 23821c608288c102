"""What the operator looks at, on a listener of its own on loopback: ready or not, the metrics, a page.

Nothing here changes anything, and only a request that names this machine as its Host is answered:
a page in the operator's browser may well reach a loopback port under a name of its own choosing.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

from prreview_cli.core.errors import StoreUnusable
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.store import Store
from prreview_cli.services.intake import Reply
from prreview_cli.services.pulse import FRESH_S
from prreview_cli.telemetry import logger
from prreview_cli.telemetry.metrics import Metrics, Sample
from prreview_cli.web import page
from prreview_cli.web.asgi import JSON, Receive, Scope, Send, answer
from prreview_cli.web.page import Standing
from prreview_cli.web.replies import FAILED, FOREIGN_HOST, METHOD_NOT_ALLOWED, NOT_FOUND, UNHEALTHY, state

OWN_NAMES = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})
LAST_JOBS = 20
TEXT = b"text/plain; version=0.0.4; charset=utf-8"
HTML = b"text/html; charset=utf-8"
SAFE_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", page.POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)

log = logger("ops")


class Ops:
    """GET /readyz, /metrics and /."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics, environment: str) -> None:
        self._store, self._clock = store, clock
        self._metrics = metrics
        self._environment = environment

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"Only http is spoken here, not {scope['type']}.")
        if not _names_us(scope):
            await answer(send, FOREIGN_HOST)
        elif scope["path"] not in {"/", "/readyz", "/metrics"}:
            await answer(send, NOT_FOUND)
        elif scope["method"] != "GET":
            await answer(send, METHOD_NOT_ALLOWED, (b"allow", b"GET"))
        else:
            await self._show(scope["path"], send)

    async def _show(self, path: str, send: Send) -> None:
        content_type = JSON
        try:
            match path:
                case "/readyz":
                    reply = await self._ready()
                case "/metrics":
                    reply, content_type = _shown(await self._render_metrics()), TEXT
                case _:
                    reply, content_type = _shown(await self._render_page()), HTML
        except StoreUnusable as trouble:
            log.warning("store_unusable", reason=str(trouble))
            reply = UNHEALTHY
        except Exception:
            log.exception("ops_failed")
            reply = FAILED
        await answer(send, reply, *SAFE_HEADERS, content_type=content_type)

    async def _ready(self) -> Reply:
        await self._store.check_writable()
        trouble = (await self._standing()).trouble(FRESH_S)
        if trouble is not None:
            return state(HTTPStatus.SERVICE_UNAVAILABLE, "not_ready", trouble)
        return state(HTTPStatus.OK, "ready", "Reviews flow.")

    async def _render_metrics(self) -> bytes:
        standing = await self._standing()
        sample = Sample(
            by_state=standing.depth.by_state,
            oldest_queued_s=standing.oldest_due_s,
            paused=standing.paused is not None,
            usd=await self._store.spend.total(),
            model_requests=await self._store.spend.requests_by_status(),
            model_calls_in_flight=sum(beat.model_calls_in_flight for beat in standing.pools),
            reviews=await self._store.jobs.review_seconds(),
            circuits={circuit.service: circuit.since is not None for circuit in standing.circuits},
        )
        return self._metrics.render(sample)

    async def _render_page(self) -> bytes:
        standing = await self._standing()
        return page.render(standing, standing.trouble(FRESH_S), await self._store.jobs.list((), LAST_JOBS))

    async def _standing(self) -> Standing:
        now, store = self._clock.now(), self._store
        return Standing(
            environment=self._environment,
            now=now,
            depth=await store.jobs.depth(now),
            paused=await store.switches.paused(now),
            pools=await store.pools.alive(now - timedelta(seconds=FRESH_S)),
            usd_today=await store.spend.today(now),
            circuits=await store.circuits.all(),
        )


def _names_us(scope: Scope) -> bool:
    """Whether the one Host header is a loopback name, with whatever port."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return False
    name, colon, port = hosts[0].lower().rpartition(b":")
    return hosts[0].lower() in OWN_NAMES or (colon == b":" and port.isdigit() and name in OWN_NAMES)


def _shown(body: bytes) -> Reply:
    return Reply(HTTPStatus.OK, "ok", body)
