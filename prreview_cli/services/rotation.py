"""The rotation of the webhook's secret: two that verify, which of them does, and how a running `serve` hears of it.

Secrets are numbered: the first is 0, and each rotation makes the next. What the database keeps is the number of the
current one, whether and how long the previous one verifies, and when each last did; never a value. A server looks at
that record, and opens the keyring only when the record has changed: whoever sends forged deliveries makes it read a row.

A rotation is recorded before the keyring gets the new secret, as one that is under way: so a rotation that dies at any
moment is one that every server knows to look for. It has happened once the keyring holds two secrets that differ.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from prreview_cli.core.errors import SecretUnavailable, StoreUnusable
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.host import Signer
from prreview_cli.core.ports.store import Switches
from prreview_cli.secrecy import Secret
from prreview_cli.services.apart import apart
from prreview_cli.telemetry import logger

log = logger("rotation")

LOOK_EVERY_S = 1.0
"""While deliveries verify with the current secret, the record is looked at so often at most."""
READ_AGAIN_S = 10.0
"""A keyring that could not be read is left alone for so long, and one that does not answer is not waited for longer."""
NOTED_EVERY_S = 60.0

_RECORD = "webhook_rotation"


@dataclass(frozen=True, slots=True)
class Rotation:
    """Where the rotation stands. `number` is that of the current secret; `previous`: the one before verifies too,
    `until` then (None: until it is retired). `under_way`: the keyring may not have the current one yet."""

    number: int = 0
    since: datetime | None = None
    previous: bool = False
    until: datetime | None = None
    under_way: bool = False

    def previous_verifies(self, now: datetime) -> bool:
        """Whether the previous secret is still good."""
        return self.previous and (self.until is None or now < self.until)

    def begun(self, now: datetime, until: datetime | None) -> Rotation:
        """Before a new secret is set."""
        return Rotation(self.number + 1, now, previous=True, until=until, under_way=True)

    def ended(self, *, happened: bool) -> Rotation:
        """A rotation that was under way, by what the keyring holds now; any other one is as it is."""
        if not self.under_way:
            return self
        return replace(self, under_way=False) if happened else Rotation(self.number - 1, self.since)

    def retired(self) -> Rotation:
        """After the previous secret was taken away."""
        return replace(self, previous=False, until=None)


async def standing(switches: Switches) -> Rotation:
    """The record as it is now."""
    return _parse(await switches.remembered(_RECORD))


async def record(switches: Switches, rotation: Rotation) -> None:
    """Replace the record; every running server reads its secrets anew at its next delivery."""
    written = {"number": rotation.number, "previous": rotation.previous, "under_way": rotation.under_way}
    times = {"since": rotation.since, "until": rotation.until}
    await switches.remember(_RECORD, json.dumps({**written, **{name: at and at.isoformat() for name, at in times.items()}}))


def happened(secrets: Sequence[Secret]) -> bool:
    """Whether a rotation that was under way has come to its end: the current secret and the previous one differ."""
    return len(secrets) == 2 and not secrets[0].equals(secrets[1].reveal().encode())


async def last_verified(switches: Switches, number: int) -> datetime | None:
    """When the secret of this number last verified a delivery, to the minute; None if it never did."""
    at = await switches.remembered(_verified(number))
    return None if at is None else datetime.fromisoformat(at)


class WebhookKeys:
    """The secrets of a running server: those it has read, and when to read them again.

    `kept` are the current one and, if there is one, the previous one; `read` reads them anew and may block.
    """

    def __init__(self, kept: Sequence[Secret], read: Callable[[], Sequence[Secret]], switches: Switches, clock: Clock) -> None:
        self._kept, self._read, self._switches, self._clock = kept, read, switches, clock
        self._record: str | None = None
        self._tried: str | None = None
        self._rotation = Rotation()
        self._looking = asyncio.Lock()
        self._looks = 0
        self._changes = 0
        self._look_again = self._read_again = float("-inf")
        self._noted: dict[int, float] = {}
        self._reading: asyncio.Future[Sequence[Secret]] | None = None

    def secrets(self) -> Sequence[Secret]:
        """Those that verify now, the current one first."""
        over = self._record is not None and not self._rotation.previous_verifies(self._clock.now())
        return self._kept[:1] if over else self._kept

    async def look(self, signer: Signer | None) -> bool:
        """Whether the secrets are others than a moment ago, so that the delivery must be verified again.

        A delivery that the current secret did not sign always has a look at the record that began after its arrival;
        those that arrive together share it.
        """
        if signer is Signer.CURRENT and self._clock.monotonic() < self._look_again:
            return False
        looks, changes = self._looks, self._changes
        async with self._looking:
            if self._looks == looks:
                self._looks += 1
                await self._see()
        return self._changes != changes

    async def verified(self, signer: Signer) -> None:
        """Remember that this secret verified a delivery; once a minute."""
        number = self._rotation.number - (signer is Signer.PREVIOUS)
        now = self._clock.monotonic()
        if now >= self._noted.get(number, float("-inf")):
            self._noted[number] = now + NOTED_EVERY_S
            await self._switches.remember(_verified(number), self._clock.now().isoformat())

    async def _see(self) -> None:
        self._look_again = self._clock.monotonic() + LOOK_EVERY_S
        try:
            found = await self._switches.remembered(_RECORD)
        except StoreUnusable as trouble:
            log.warning("rotation_not_read", reason=str(trouble))
            return
        if found == self._record or (found == self._tried and self._clock.monotonic() < self._read_again):
            return
        self._tried, self._read_again = found, self._clock.monotonic() + READ_AGAIN_S
        rotation = _parse(found)
        try:
            secrets = await self._read_anew()
        except (SecretUnavailable, TimeoutError) as trouble:
            log.error("webhook_secret_not_read", reason=str(trouble) or "The keyring did not answer.")
            return
        settled = not rotation.under_way or happened(secrets)
        if settled:  # else the keyring is looked at again, though the record stays as it is
            self._record = found
        self._kept, self._rotation = secrets, rotation.ended(happened=settled)
        self._changes += 1
        log.info("webhook_secret_read_anew", number=self._rotation.number)

    async def _read_anew(self) -> Sequence[Secret]:
        """The secrets as they are now; TimeoutError if they are not had in time, or if an earlier reading hangs still."""
        if self._reading is not None and not self._reading.done():
            raise TimeoutError
        self._reading = asyncio.ensure_future(apart(self._read))
        self._reading.add_done_callback(lambda late: late.cancelled() or late.exception())  # else asyncio complains of what nobody reads
        await asyncio.wait((self._reading,), timeout=READ_AGAIN_S)
        if not self._reading.done():
            raise TimeoutError
        return self._reading.result()


def _parse(text: str | None) -> Rotation:
    if text is None:
        return Rotation()
    data = json.loads(text)
    since, until = (None if data[name] is None else datetime.fromisoformat(data[name]) for name in ("since", "until"))
    return Rotation(data["number"], since, previous=data["previous"], until=until, under_way=data.get("under_way", False))


def _verified(number: int) -> str:
    return f"webhook_secret_{number}_verified"
