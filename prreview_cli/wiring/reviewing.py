"""Who reviews: a desk, and the pool or the foreground that sits at it."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from prreview_cli.core import retry
from prreview_cli.core.errors import AppKeyRejected, HostTokenRejected
from prreview_cli.core.ports.agent import Agent, AgentKind, Progress
from prreview_cli.core.ports.gateway import Gateway
from prreview_cli.core.ports.snapshots import Snapshots, Wanted
from prreview_cli.core.ports.store import Store
from prreview_cli.core.review import Usage
from prreview_cli.secrecy import Secret
from prreview_cli.services.considerate import ConsiderateHost
from prreview_cli.services.janitor import Janitor
from prreview_cli.services.pool import ENDLESS, Pool, Stint
from prreview_cli.services.pulse import Pulse
from prreview_cli.services.reviewer import Reviewer
from prreview_cli.services.settlement import Settlement
from prreview_cli.telemetry.files import remove_old

if TYPE_CHECKING:
    from prreview_cli.services.foreground import Foreground
    from prreview_cli.snapshots.local import LocalSnapshots, Range

from prreview_cli.wiring.cell import Cell
from prreview_cli.wiring.house import House


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
        *keeping, _ = beside = [asyncio.create_task(work) for work in (self.janitor.run(), self.pulse.run(), warming)]
        for task in keeping:
            task.add_done_callback(self._end_with)
        try:
            await self.pool.run()
            for task in keeping:
                if task.done():
                    task.result()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            await self.pulse.pools.leave(self.pulse.worker)

    def _end_with(self, task: asyncio.Task[None]) -> None:
        """Nobody goes on without what rescues and beats beside him: the pool drains, and whoever started it starts another."""
        if not task.cancelled():
            self.pool.end()


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

    host, redact = house.profile.host, house.keyhole.redact
    rejected = AppKeyRejected if host.auth == "app" else HostTokenRejected
    return GitSnapshots(host.git_url, token, folder, house.clock, redact=redact, rejected=rejected)


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
            host=ConsiderateHost(house.host, house.breaker(store)),
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
    from prreview_cli.sandbox.scratch import remove_abandoned  # noqa: PLC0415 - as in `_scratch`

    profile, clock, workers = house.profile, house.clock, house.profile.workers
    async with desk(house, store, agent=agent, cell=cell) as at:

        async def introduce() -> None:
            await house.introduce(store)

        def forget(before: datetime) -> None:
            remove_old(house.state / "logs", before)
            remove_abandoned(house.state / "scratch")

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
