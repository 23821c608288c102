"""The way to the model: a door of our own on loopback that holds the real key."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from prreview_cli.core.errors import Failure
from prreview_cli.core.job import Lease
from prreview_cli.core.review import Usage


class Grant(Protocol):
    """One review's access to the model. The token dies with the grant, and with this process."""

    base_url: str
    token: str

    @property
    def usage(self) -> Usage:
        """What was used under this grant so far."""

    @property
    def failure(self) -> Failure | None:
        """The failure that ended the last model request for good, if one did: what the agent's own
        account of itself disguises. None again after a later request succeeded."""

    async def listen(self, door: int) -> None:
        """Answer on this listening socket as well, until the grant ends: `base_url` as it is seen from another network.
        The descriptor is the grant's from here on."""

    def revoke(self) -> None:
        """Let no further request through, and cut those under way."""

    async def settled(self, within_s: float) -> None:
        """Return once no request is under way and `usage` is complete, or when the time is over."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a grant lets through: this model, exactly these tools, and so many calls at once."""

    model: str
    tools: frozenset[str]
    calls_in_flight: int


class Gateway(Protocol):
    """Hands out grants, keeps the caps, backs off."""

    def grant(self, lease: Lease, allowance: Allowance) -> AbstractAsyncContextManager[Grant]:
        """Access for one review; revoked on leaving."""

    async def probe(self) -> None:
        """Ask the model for one token, on the bill; raises the Failure that the answer means."""

    @property
    def calls_in_flight(self) -> int:
        """Model requests under way in this process."""
