"""Telling systemd how the service stands, over the socket that it names (`sd_notify(3)`); silent where there is none."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass

from prreview_cli.core.ports.clock import Clock
from prreview_cli.telemetry.logs import logger

log = logger("systemd")

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True, slots=True)
class Systemd:
    """The manager of this service. `watchdog_s` is how long it waits for a sign of life before it starts us anew."""

    address: str | None = None
    watchdog_s: float | None = None

    @classmethod
    def of(cls, environment: MutableMapping[str, str]) -> Systemd:
        """As the environment says. Its variables are taken out: they are meant for this process and not for its children."""
        address, microseconds, pid = (environment.pop(name, "") for name in _VARIABLES)
        if not address.startswith(("/", "@")):
            return cls()
        ours = pid in ("", str(os.getpid()))
        return cls(address, int(microseconds) / 1e6 if ours and microseconds.isdigit() and int(microseconds) else None)

    def ready(self) -> None:
        """Deliveries are answered, or jobs are taken."""
        self._tell("READY=1")

    def stopping(self) -> None:
        """We were asked to end, and drain."""
        self._tell("STOPPING=1")

    async def watch(self, clock: Clock) -> None:
        """Give a sign of life at twice the pace that is asked for, from the event loop that does the work, until cancelled."""
        while self.watchdog_s is not None:
            self._tell("WATCHDOG=1")
            await clock.sleep(self.watchdog_s / 2)

    def _tell(self, state: str) -> None:
        if self.address is None:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as telling:
                telling.setblocking(False)  # a manager that does not listen holds nobody up
                telling.sendto(state.encode(), address)
        except OSError as error:
            log.warning("systemd_not_told", state=state, reason=str(error))
