"""The composition root: a profile becomes live parts. The only file that names concrete classes."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from prreview_cli import sandbox, settings
from prreview_cli.core import retry
from prreview_cli.core.circuit import Service
from prreview_cli.core.ports.agent import Agent, AgentKind, Progress
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.gateway import Gateway
from prreview_cli.core.ports.host import CodeHost, WebhookReader
from prreview_cli.core.ports.snapshots import Snapshots, Wanted
from prreview_cli.core.ports.store import Store
from prreview_cli.core.profile import Profile, SecretName
from prreview_cli.core.review import Usage
from prreview_cli.secrecy import Secret
from prreview_cli.services.breaker import Breaker
from prreview_cli.services.intake import Intake
from prreview_cli.services.janitor import Janitor
from prreview_cli.services.kill_switch import KillSwitch
from prreview_cli.services.pool import ENDLESS, Pool, Stint
from prreview_cli.services.pulse import Pulse
from prreview_cli.services.reviewer import Reviewer
from prreview_cli.services.rotation import WebhookKeys
from prreview_cli.services.settlement import Settlement
from prreview_cli.telemetry import Log, open_log
from prreview_cli.telemetry.files import remove_old

if TYPE_CHECKING:
    from prreview_cli.hosts.github.auth import Access
    from prreview_cli.services.foreground import Foreground
    from prreview_cli.snapshots.local import LocalSnapshots, Range
    from prreview_cli.telemetry.alerts import AlertSender

ACCEPTING_PATIENCE_MS = 3_000
"""How long an acknowledgement waits for the database: the host itself waits 10 s for our answer."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True)
class House:
    """The parts that every verb on one profile shares, made when they are first asked for."""

    profile: Profile
    clock: Clock

    @cached_property
    def state(self) -> Path:
        """The state folder, made for this user alone."""
        return settings.state_dir(self.profile)

    @cached_property
    def vault(self) -> settings.Vault:
        """The profile's secrets."""
        return settings.Vault(self.profile)

    @cached_property
    def keyhole(self) -> settings.Keyhole:
        """What finds and hides the profile's secrets in text."""
        return settings.Keyhole(self.vault)

    @cached_property
    def alerts(self) -> AlertSender:
        """Who is told. Whoever may tell has the database open, and with it the last telling ends."""
        from prreview_cli.telemetry.alerts import AlertSender  # noqa: PLC0415 - only who may tell loads it

        return AlertSender(self.profile.alerts.command, self.profile.alerts.url, self.keyhole.redact, self.clock, self.state)

    @cached_property
    def host(self) -> CodeHost:
        """The code host; nothing is opened before the first request."""
        from prreview_cli.hosts import code_host  # noqa: PLC0415 - not every verb asks the host

        return code_host(self.profile, self.access, self.clock, self.keyhole.redact)

    @cached_property
    def access(self) -> Access:
        """What opens the code host, for its API and for git; closed with `host`."""
        from prreview_cli.hosts import access  # noqa: PLC0415 - not every verb asks the host

        return access(self.profile, self.vault.get, self.clock, self.keyhole.redact, self.keyhole.learn)

    def log(self, program: str, *, quiet: bool = False) -> Log:
        """Start this process's log; a `quiet` one goes to its file alone, any other one watches all of standard error."""
        folder = self.state / "logs"
        folder.mkdir(mode=0o700, exist_ok=True)
        self.keyhole.redact("")  # builds the matcher now (tens of ms), and not at the first delivery's line
        level, redact = self.profile.state.log_level, self.keyhole.redact
        return open_log(folder, program, level=level, redact=redact, quiet=quiet, pumped=not quiet)

    def kill_switch(self, store: Store) -> KillSwitch:
        """The profile's pause."""
        return KillSwitch(self.profile.environment, store.switches, self.alerts, self.clock)

    def breaker(self, store: Store) -> Breaker:
        """The circuits of the model and the host."""
        return Breaker(self.profile.environment, store.circuits, self.alerts, self.clock)

    @asynccontextmanager
    async def store(self, *, accepting: bool = False, must_exist: bool = False) -> AsyncIterator[Store]:
        """The profile's database, while it is needed."""
        from prreview_cli.store import PATIENCE_MS, open_store  # noqa: PLC0415 - `--help` loads no database

        self.state  # noqa: B018 - its folder must be there before the database is
        opened = await open_store(
            settings.queue_url(self.profile),
            environment=self.profile.environment,
            host=self.profile.host.api_url,
            clock=self.clock,
            busy_timeout_ms=ACCEPTING_PATIENCE_MS if accepting else PATIENCE_MS,
            must_exist=must_exist,
        )
        try:
            yield opened
        finally:
            if "alerts" in vars(self):
                await self.alerts.close()
            await opened.close()

    def intake(self, store: Store) -> Intake:
        """What answers deliveries; SecretUnavailable at once if there is no webhook secret to check them with."""
        from prreview_cli.hosts import webhook  # noqa: PLC0415 - only `serve` and a replay need it

        profile = self.profile
        keys = WebhookKeys(self.vault.webhook_secrets(), self._webhook_secrets_anew, store.switches, self.clock)
        reader = webhook(profile, keys.secrets)
        return Intake(reader, store, profile.review, profile.host.repositories, self.clock, own_login=profile.host.login, keys=keys)

    def _webhook_secrets_anew(self) -> Sequence[Secret]:
        """Read again, by another vault: what is kept stays in use until the new ones are had. May block."""
        pair = settings.Vault(self.profile).webhook_secrets()
        self.vault.refresh()
        self.keyhole.refresh()
        self.keyhole.redact("")  # builds the matcher here, and not at the next line of the log
        return pair

    @asynccontextmanager
    async def gateway(self, store: Store) -> AsyncIterator[Gateway]:
        """The way to the model, listening."""
        from prreview_cli.gateway import ModelGateway  # noqa: PLC0415 - only who reviews or resumes asks the model

        breaker = self.breaker(store)
        gateway = ModelGateway(
            self.profile.model,
            lambda: self.vault.get(SecretName.MODEL_API_KEY),
            store.spend,
            store.switches,
            self.clock,
            on_profile_failure=self.kill_switch(store).trip,
            on_answer=lambda: breaker.answered(Service.MODEL),
            redact=self.keyhole.redact,
        )
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.close()

    async def introduce(self, store: Store) -> None:
        """Ask the host, with secrets read anew, who our reviews are by, and remember it."""
        self.vault.refresh()
        self.keyhole.refresh()
        self.vault.get(SecretName.MODEL_API_KEY)
        await store.switches.remember_login(await self.host.identify())


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


def _nothing() -> None:
    """What an agent that needs no warming does."""


@dataclass(frozen=True)
class Crew:
    """A pool with everything that runs beside it."""

    pool: Pool
    janitor: Janitor
    pulse: Pulse
    warm: Callable[[], None]

    async def run(self, ready: Callable[[], None]) -> None:
        """Register the pool, say that it is ready, and work until it has been told to end and has drained."""
        await self.pulse.beat()
        ready()
        # The agent's library takes a second to import: in a thread, while nothing waits for it yet.
        warming = asyncio.to_thread(self.warm)
        beside = [asyncio.create_task(work) for work in (self.janitor.run(), self.pulse.run(), warming)]
        try:
            await self.pool.run()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self.pulse.pools.leave(self.pulse.worker)


@asynccontextmanager
async def _scratch(house: House) -> AsyncIterator[Path]:
    from prreview_cli.sandbox.scratch import scratch  # noqa: PLC0415 - only who reviews needs it

    with scratch(house.state / "scratch") as folder:
        yield folder


def _snapshots(house: House, folder: Path) -> Snapshots:
    from prreview_cli.hosts import git_token  # noqa: PLC0415 - only who reviews needs these
    from prreview_cli.snapshots import GitSnapshots  # noqa: PLC0415

    async def token(wanted: Wanted, refused: Secret | None) -> Secret:
        return await git_token(house.access, wanted.repository_id, wanted.repository, refused)

    return GitSnapshots(house.profile.host.git_url, token, folder, house.clock, redact=house.keyhole.redact)


def local_snapshots(clone: Path, folder: Path) -> LocalSnapshots:
    """The commits of a clone on this machine; UsageError if it is none."""
    from prreview_cli.snapshots.local import LocalSnapshots  # noqa: PLC0415 - only `review --local` needs it

    return LocalSnapshots(clone, folder)


def _agent(house: House, kind: AgentKind, folder: Path, layers: Collection[str]) -> Agent:
    if kind is AgentKind.SCRIPTED:
        from prreview_cli.agents.scripted import ScriptedAgent  # noqa: PLC0415 - for trials alone

        return ScriptedAgent()
    from prreview_cli.agents.claude import ClaudeAgent  # noqa: PLC0415 - only who reviews needs it

    return ClaudeAgent(folder, layers=layers, redact=house.keyhole.redact)


@dataclass(frozen=True)
class Desk:
    """What a review is made with, in this process: one worker's name, its reviewer, and how a hold is settled."""

    worker: str
    reviewer: Reviewer
    settlement: Settlement
    gateway: Gateway
    warm: Callable[[], None]


@asynccontextmanager
async def desk(house: House, store: Store, *, agent: AgentKind, cell: Cell, clone: Path | None = None) -> AsyncIterator[Desk]:
    """A reviewer with its gateway and its scratch folder; of the code host's commits, or of those in a local clone."""
    profile, clock, workers = house.profile, house.clock, house.profile.workers
    async with house.gateway(store) as gateway, _scratch(house) as folder:
        looker = _agent(house, agent, folder, cell.layers)
        reviewer = Reviewer(
            environment=profile.environment,
            model=profile.model,
            policy=profile.review,
            store=store,
            host=house.host,
            snapshots=_snapshots(house, folder) if clone is None else local_snapshots(clone, folder),
            agent=looker,
            gateway=gateway,
            clock=clock,
            secrets_in=house.keyhole.secrets_in,
            notes=cell.notes,
        )
        policy = retry.Policy(workers.max_attempts, workers.backoff_s, workers.backoff_max_s)
        chance = random.SystemRandom().random
        settlement = Settlement(
            profile.environment, store.jobs, house.kill_switch(store), house.breaker(store), house.alerts, clock, policy, chance
        )
        try:
            yield Desk(f"{os.getpid()}-{secrets.token_hex(4)}", reviewer, settlement, gateway, getattr(looker, "warm", _nothing))
        finally:
            await house.host.close()


@asynccontextmanager
async def crew(house: House, store: Store, *, slots: int, agent: AgentKind, cell: Cell, stint: Stint = ENDLESS) -> AsyncIterator[Crew]:
    """The worker pool of a profile, composed."""
    profile, clock, workers = house.profile, house.clock, house.profile.workers
    async with desk(house, store, agent=agent, cell=cell) as at:

        async def introduce() -> None:
            await house.introduce(store)

        def forget(before: datetime) -> None:
            remove_old(house.state / "logs", before)

        pool = Pool(at.worker, slots, workers, store, at.reviewer, at.settlement, at.settlement.kill_switch, introduce, clock, stint)
        janitor = Janitor(profile.environment, store, house.alerts, clock, workers.max_attempts, profile.state.keep_days, forget)
        pulse = Pulse(at.worker, os.getpid(), slots, store.pools, clock, lambda: at.gateway.calls_in_flight)
        yield Crew(pool, janitor, pulse, at.warm)


@asynccontextmanager
async def foreground(
    house: House,
    store: Store,
    *,
    agent: AgentKind,
    cell: Cell,
    posts: bool,
    told: Callable[[str], None],
    stepped: Callable[[Progress, Usage], None],
    clone: Path | None = None,
) -> AsyncIterator[Foreground]:
    """What reviews one head in this process, composed. With a `clone` its commits are read, and no host is asked."""
    from prreview_cli.services.foreground import Foreground  # noqa: PLC0415 - only `review` needs it

    profile = house.profile
    async with desk(house, store, agent=agent, cell=cell, clone=clone) as at:
        reviewer = replace(at.reviewer, posts=posts, progress=stepped)
        pulse = Pulse(at.worker, os.getpid(), 0, store.pools, house.clock, lambda: at.gateway.calls_in_flight)
        yield Foreground(profile.workers, profile.review.min_interval_s, store, reviewer, at.settlement, pulse, house.clock, told)


async def resolve_range(clone: Path, text: str) -> Range:
    """What BASE..HEAD means in a clone on this machine; UsageError if it is no range, or no clone."""
    return await local_snapshots(clone, clone).resolve(text)


@dataclass(frozen=True, slots=True)
class Cell:
    """The layers that this machine has of the agent's cell. `notes` are the sentences that each review must carry."""

    layers: frozenset[str]
    notes: tuple[str, ...] = ()


def cell(profile: Profile, *, allow_unsandboxed: bool) -> Cell:
    """Try the layers; SandboxMissing if a required one is not there and that is not allowed."""
    layers = sandbox.probe()
    absent = sandbox.missing(profile.sandbox.require, layers)
    if absent and not allow_unsandboxed:
        raise sandbox.refusal(absent)
    present = frozenset(layer.name for layer in layers if layer.present)
    return Cell(present, (sandbox.note(absent),) if absent else ())


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
