"""What `doctor` asks: a profile's parts, each tried on this machine. Composed here, as `wiring` composes what runs."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prreview_cli import sandbox, settings
from prreview_cli.core.errors import UsageError
from prreview_cli.core.job import State
from prreview_cli.core.ports.host import Introduction
from prreview_cli.core.profile import SecretName, SecretScheme
from prreview_cli.services import doctor
from prreview_cli.services.apart import apart
from prreview_cli.services.doctor import Check, Finding
from prreview_cli.telemetry.untold import read as read_untold
from prreview_cli.web.ports import is_ours, try_port
from prreview_cli.wiring import House

_KEYRING_S = 20.0
_DATABASE_S = 20.0
_HOST_S = 30.0
_MODEL_S = 60.0
_IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass
class Examination:
    """The questions about one profile. What needs a secret or the database is asked only once those were had."""

    house: House
    _secrets_read: bool = False
    _state_safe: bool = False
    _has: dict[SecretName, bool] = field(default_factory=dict)
    _met: Introduction | None = None

    def checks(self, *, offline: bool) -> Sequence[Check]:
        """Those on this machine first, then (unless `offline`) the host and the model."""
        server = self.house.profile.server
        here = [
            Check("profile", self._profile),
            Check("secrets", self._secrets, _KEYRING_S, late="Unlock the keyring, or answer the prompt that it waits at."),
            Check("keyring", self._keyring, _KEYRING_S),
            Check("reboot", self._reboot),
            Check("state", self._state),
            Check("database", self._database, _DATABASE_S),
            Check("cell", self._cell, 15.0),
            Check("cli", self._cli, 20.0),
            Check("git", self._git, 25.0),
            Check("server.port", lambda: self._port("server.port", server.host, server.port, "/healthz")),
            Check("server.ops_port", lambda: self._port("server.ops_port", "127.0.0.1", server.ops_port, "/readyz")),
            Check("webhook", self._webhook),
            Check("alerts", self._alerts),
        ]
        return (
            here
            if offline
            else [
                *here,
                Check("host", self._host, _HOST_S),
                Check("host.token", self._token, _HOST_S),
                Check("model", self._model, _MODEL_S),
            ]
        )

    def redact(self, text: str) -> str:
        """The text without the profile's secrets, as far as they could be had: a keyring that does not answer is not asked again."""
        return self.house.keyhole.redact(text) if self._secrets_read else text

    async def _profile(self) -> Iterable[Finding]:
        """It was read before we came here, and is not read where others could have written it."""
        return [Finding("profile", ok=True, detail=f"{self.house.profile.path}, which nobody else can write")]

    # -- secrets ---------------------------------------------------------------------------------

    async def _secrets(self) -> Iterable[Finding]:
        house, path = self.house, self.house.profile.path
        vault_of = lambda profile: house.vault if profile.path == path else settings.Vault(profile)  # noqa: E731
        report = await apart(lambda: settings.check_profile(path, os.environ, vault_of))
        self._secrets_read, self._has = True, dict(report.present)
        return list(_told(report))

    async def _keyring(self) -> Iterable[Finding]:
        references = self.house.profile.secrets
        if not any(reference.scheme is SecretScheme.KEYRING for reference in references.values()):
            return [Finding("keyring", ok=True, detail="not needed: no reference begins with keyring:")]
        from prreview_cli.settings.keyrings import open_keyring  # noqa: PLC0415 - it loads the keyring

        backend = type(await apart(open_keyring))
        return [Finding("keyring", ok=True, detail=f"{backend.__module__}.{backend.__qualname__}")]

    async def _reboot(self) -> Iterable[Finding]:
        references = self.house.profile.secrets
        return [await apart(lambda: doctor.reboot(references, lambda path: _kind(path) in _IN_MEMORY))]

    # -- this machine ----------------------------------------------------------------------------

    async def _state(self) -> Iterable[Finding]:
        folder = await apart(lambda: self.house.state)
        open_to = stat.S_IMODE(folder.stat().st_mode) & 0o077
        if open_to:
            told = f"Other users can look into {folder}."
            return [Finding("state", ok=False, detail=told, remedy=f"Run `chmod 700 {folder}`.")]
        self._state_safe = True
        return [Finding("state", ok=True, detail=f"{folder}, for this user alone")]

    async def _database(self) -> Iterable[Finding]:
        path = settings.queue_path(self.house.profile)
        if not self._state_safe:
            return [_not_asked("database", "the state folder is not in order")]
        async with self.house.store() as store:
            await store.check_writable()
        return [Finding("database", ok=True, detail=f"{path}, written durably; {await apart(lambda: _disk(path.parent))}")]

    async def _cell(self) -> Iterable[Finding]:
        required = self.house.profile.sandbox.require
        layers = await apart(sandbox.probe)
        absent = sandbox.missing(required, layers)
        found = [Finding(f"cell.{layer.name}", ok=True, detail=layer.detail) for layer in layers if layer.present]
        found += [
            Finding(f"cell.{layer.name}", ok=True, detail=f"missing, and sandbox.require does not name it: {layer.detail}")
            for layer in layers
            if not layer.present and layer.name not in required
        ]
        return found + [
            Finding(f"cell.{layer.name}", ok=False, detail=f"missing: {layer.detail}", remedy=sandbox.refusal([layer]).remedy)
            for layer in absent
        ]

    async def _cli(self) -> Iterable[Finding]:
        from prreview_cli.agents.claude.bundled import check  # noqa: PLC0415 - only `doctor` asks

        return [Finding("cli", ok=True, detail=await check())]

    async def _git(self) -> Iterable[Finding]:
        from prreview_cli.snapshots.requirements import check_git  # noqa: PLC0415 - only `doctor` asks

        return [Finding("git", ok=True, detail=f"{await check_git()}, with Perl patterns")]

    async def _port(self, name: str, host: str, port: int, path: str) -> Iterable[Finding]:
        if port == 0:
            return [Finding(name, ok=True, detail="0: a free one is taken")]
        try:
            await apart(lambda: try_port(host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE and await apart(lambda: is_ours(host, port, path)):
                return [Finding(name, ok=True, detail=f"{host}:{port}, held by a running `prreview`; see that it is this profile's")]
            why = "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
            raise UsageError(f"{host}:{port} {why}.", remedy=f"Stop the other program, or choose another {name}.") from None
        return [Finding(name, ok=True, detail=f"{host}:{port} is free")]

    async def _webhook(self) -> Iterable[Finding]:
        from prreview_cli.web.endpoint import WEBHOOK_PATH  # noqa: PLC0415 - only who listens needs it

        return [doctor.webhook_settings(WEBHOOK_PATH, self.house.profile.review.actions)]

    # -- beyond this machine ---------------------------------------------------------------------

    async def _alerts(self) -> Iterable[Finding]:
        told = self.house.profile.alerts
        if not (told.command or told.url):
            return [Finding("alerts", ok=True, detail="[alerts] names nobody: what pauses the profile shows in `status` and /readyz alone")]
        untold = await apart(lambda: read_untold(settings.state_path(self.house.profile)))
        if not untold:
            return [Finding("alerts", ok=True, detail="no alert is known that could not be told")]
        remedy = "Mend it, or try it by hand with a JSON object on its standard input; the next alert that gets through clears this."
        return [
            Finding("alerts", ok=False, detail=f"{one.whom} was not told of {one.event!r} at {one.at}: {one.reason}", remedy=remedy)
            for one in untold
        ]

    async def _host(self) -> Iterable[Finding]:
        """One request; what it says of the token itself is judged by `_token`."""
        from prreview_cli.hosts import introduction  # noqa: PLC0415 - not every verb asks the host

        profile, needed = self.house.profile, settings.host_secret(self.house.profile)
        if not self._has.get(needed):
            return [_not_asked("host", f"{needed} could not be had")]
        met = self._met = await introduction(profile, self.house.access, self.house.clock)
        return [Finding("host", ok=True, detail=f"{profile.host.api_url} answers"), doctor.clock(met.our_time, met.host_time)]

    async def _token(self) -> Iterable[Finding]:
        if self._met is None:
            return [_not_asked("host.token", "the code host was not reached")]
        try:
            login = await self.house.host.identify()
        finally:
            await self.house.host.close()
        declared = self.house.profile.host.permissions
        if self._met.permissions is not None:
            scopes = doctor.app_permissions(self._met.permissions, declared)
        else:
            scopes = doctor.scopes(classic=self._met.lists_scopes, declared=declared)
        return [Finding("host.token", ok=True, detail=f"accepted; reviews are by {login}"), scopes]

    async def _model(self) -> Iterable[Finding]:
        """One token, on the day's bill, and only while a slot is free: a probe is a model call like any other."""
        house, count = self.house, self.house.profile.workers.count
        if not self._has.get(SecretName.MODEL_API_KEY):
            return [_not_asked("model", "model_api_key could not be had")]
        if not self._state_safe:
            return [_not_asked("model", "there is no database to put it on the bill of")]
        async with house.store() as store:
            running = (await store.jobs.depth(house.clock.now())).by_state.get(State.RUNNING, 0)
            if running >= count:
                return [_not_asked("model", f"all {count} reviews of workers.count are in flight, and a probe would be one call more")]
            async with house.gateway(store) as gateway:
                await gateway.probe()
        model = house.profile.model
        return [Finding("model", ok=True, detail=f"{model.name} answers at {model.base_url} (asked for one token)")]


def _told(report: settings.Report) -> Iterable[Finding]:
    """The findings in a profile's report: each secret, and what it shares with other profiles."""
    references = report.profile.secrets if report.profile else {}
    missing = {f"secrets.{name}" for name, present in report.present.items() if not present}
    shared = False
    for name, present in report.present.items():
        if present:
            yield Finding(f"secrets.{name}", ok=True, detail=f"there ({references[name]})")
    for problem in report.problems:
        if problem.key in missing:
            missing.remove(problem.key)
            yield Finding(problem.key, ok=False, detail=problem.message.removeprefix(f"{problem.key}: "), remedy=problem.remedy)
        else:
            shared = True
            yield Finding("profile.apart", ok=False, detail=problem.message, remedy=problem.remedy)
    for note in report.notes:
        yield Finding(f"secrets.{SecretName.WEBHOOK_SECRET}" if "webhook_secret" in note else "profile.apart", ok=None, detail=note)
    if not shared:
        yield Finding("profile.apart", ok=True, detail="shares neither secrets nor environment with another profile here")


def _disk(folder: Path) -> str:
    """The file system of a folder and its room. That no network shares it was seen when the database was opened."""
    return f"{_kind(folder) or 'local'} file system, {shutil.disk_usage(folder).free / (1 << 30):.1f} GiB free"


def _kind(path: Path) -> str | None:
    """The type of the file system that holds a path; None where the system does not say."""
    from prreview_cli.store.sqlite.location import file_system  # noqa: PLC0415 - no other verb asks

    mounts = Path("/proc/self/mounts")
    return file_system(path.resolve(), mounts.read_text(errors="surrogateescape")) if mounts.exists() else None


def _not_asked(name: str, why: str) -> Finding:
    return Finding(name, ok=None, detail=f"Not asked: {why}.")
