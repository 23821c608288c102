"""How a secret is replaced so that no moment is without a good one."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from prreview_cli.cli.output import say
from prreview_cli.cli.running import with_store
from prreview_cli.core.errors import SecretUnavailable, UsageError
from prreview_cli.core.ports.store import Store
from prreview_cli.core.profile import SecretName
from prreview_cli.secrecy import Secret
from prreview_cli.services import rotation
from prreview_cli.services.rotation import Rotation
from prreview_cli.settings import host_secret
from prreview_cli.wiring import House

CURRENT, PREVIOUS = SecretName.WEBHOOK_SECRET, SecretName.WEBHOOK_SECRET_PREVIOUS


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a rotation stands, and when each of the two secrets last verified a delivery."""

    rotation: Rotation
    current: datetime | None
    previous: datetime | None


def standing(house: House) -> Standing:
    """As the database has it, and of a rotation that was interrupted as the keyring has it; UsageError if nothing ever made one."""
    return with_store(house, partial(_standing, house), must_exist=False)


async def _standing(house: House, store: Store) -> Standing:
    now = await rotation.standing(store.switches)
    if now.under_way:
        now = now.ended(happened=rotation.happened(house.vault.webhook_secrets()))
    current = await rotation.last_verified(store.switches, now.number)
    return Standing(now, current, await rotation.last_verified(store.switches, now.number - 1))


# -- the webhook's ---------------------------------------------------------------------------------


def rotate_webhook(house: House, ask: Callable[[], str], until: datetime | None) -> None:
    """Make the current secret the previous one, and what `ask` gives the current one; interrupted, the old one stays good."""
    with _alone(house):
        _rotate_webhook(house, ask, until)


def _rotate_webhook(house: House, ask: Callable[[], str], until: datetime | None) -> None:
    vault = house.vault
    for name in (CURRENT, PREVIOUS):
        vault.see_that_it_can_be_put(name)
    before = standing(house).rotation
    old, older = vault.get(CURRENT), _had(house, PREVIOUS)
    # The same value in both places is what an interruption between the two writes leaves.
    if older is not None and not older.equals(_bytes(old)) and before.previous_verifies(house.clock.now()):
        raise UsageError(
            "The secret before this one still verifies deliveries, and there is room for one previous secret.",
            remedy="Retire it first: prreview secret rotate webhook_secret --retire.",
        )
    raw = ask()
    vault.try_on(CURRENT, raw)
    if vault.get(CURRENT).equals(_bytes(old)):
        raise UsageError("That is the present secret; nothing was changed.", remedy="Make another: openssl rand -hex 32.")
    vault.put(PREVIOUS, old.reveal())
    begun = before.begun(house.clock.now(), until)
    try:
        _record(house, begun)
        vault.put(CURRENT, raw)
    finally:
        vault.refresh()
        _record(house, begun.ended(happened=rotation.happened(vault.webhook_secrets())))


def retire(house: House, *, anyhow: bool) -> None:
    """Take the previous secret away. UsageError if the last delivery was verified by it, unless `anyhow`."""
    with _alone(house):
        _retire(house, anyhow=anyhow)


def _retire(house: House, *, anyhow: bool) -> None:
    now = standing(house)
    if now.previous and (now.current is None or now.previous > now.current) and now.rotation.previous and not anyhow:
        raise UsageError(
            "The last delivery was verified by the previous secret, so the code host still signs with it.",
            remedy="Change the secret in the webhook's settings and redeliver one delivery there, or say --anyhow.",
        )
    # A rotation that was interrupted is settled first: without the previous secret nobody could tell that it happened.
    _record(house, now.rotation)
    if not house.vault.remove(PREVIOUS) and not now.rotation.previous:
        raise UsageError("There is no previous webhook secret.", remedy="There is nothing to retire.")
    _record(house, now.rotation.retired())


@contextmanager
def _alone(house: House) -> Iterator[None]:
    """From its first look to its last word a rotation is the only one: a second would take what the first has just set
    for nothing, and the host signs with it. UsageError if another one is under way; it may be at its prompt."""
    lock = os.open(house.state / "rotation.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                "Another command rotates or retires this webhook's secret just now; nothing was changed.",
                remedy="Let it end, look at `prreview secret rotate webhook_secret --status`, then run this one again if need be.",
            ) from None
        yield
    finally:
        os.close(lock)


def _record(house: House, new: Rotation) -> None:
    with_store(house, lambda store: rotation.record(store.switches, new), must_exist=False)


def _had(house: House, name: SecretName) -> Secret | None:
    try:
        return house.vault.get(name)
    except SecretUnavailable:
        return None


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode()


# -- the others ------------------------------------------------------------------------------------


def rotate_proven(house: House, name: SecretName, ask: Callable[[], str]) -> None:
    """Replace a key or token once the service that issued it accepts the new one; until then nothing is changed."""
    house.vault.see_that_it_can_be_put(name)
    if name in {SecretName.HOST_TOKEN, SecretName.APP_PRIVATE_KEY} and name is not host_secret(house.profile):
        raise UsageError(f'With host.auth = "{house.profile.host.auth}" the profile does not use {name}.', remedy="Rotate the other one.")
    raw = ask()
    house.vault.try_on(name, raw)
    house.keyhole.refresh()
    with house.log("secret", quiet=True):
        if name is SecretName.MODEL_API_KEY:
            with_store(house, partial(_ask_model, house), must_exist=False)
        else:
            asyncio.run(_ask_host(house))
    house.vault.put(name, raw)
    say("A pool that runs keeps the former one until `prreview pause` and `prreview resume`, or a restart; revoke it after that.")


async def _ask_model(house: House, store: Store) -> None:
    async with house.gateway(store) as gateway:
        await gateway.probe()


async def _ask_host(house: House) -> None:
    try:
        await house.host.identify()
    finally:
        await house.host.close()
