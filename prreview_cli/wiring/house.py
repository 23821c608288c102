"""What every verb on one profile shares, each part made when it is first asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from prreview_cli import settings
from prreview_cli.core.circuit import Service
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.gateway import Gateway
from prreview_cli.core.ports.host import CodeHost
from prreview_cli.core.ports.store import Store
from prreview_cli.core.profile import Profile, SecretName
from prreview_cli.secrecy import Secret
from prreview_cli.services.breaker import Breaker
from prreview_cli.services.intake import Intake
from prreview_cli.services.kill_switch import KillSwitch
from prreview_cli.services.rotation import WebhookKeys
from prreview_cli.telemetry import Log, open_log

if TYPE_CHECKING:
    from prreview_cli.hosts.github.auth import Access
    from prreview_cli.telemetry.alerts import AlertSender

ACCEPTING_PATIENCE_MS = 3_000
"""How long an acknowledgement waits for the database: the host itself waits 10 s for our answer."""


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
            on_limit=breaker.limited,
            limited_until=lambda: breaker.limited_until(Service.MODEL),
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
