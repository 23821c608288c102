"""Whether a service is asked at all: the rule, then little code. Pure; the store keeps a circuit and runs `after`.

The model and the code host have a circuit each, one for all processes on a database.

    closed      jobs are taken.
    limited     the service named a time before which it will not hear us: no job is taken until then.
    open        so many attempts in a row ended because the service is down: no job is taken until a time.
    half-open   that time is over: one job is taken, the probe, and no other one while it runs.

An open circuit closes as soon as the service answers, whoever asked it, and opens again, for longer, when its probe
fails. What else fails meanwhile began before it opened and says nothing new. A probe that ends without having asked,
or whose worker dies, leaves its place to the next job: the store looks whether the probe's claim still runs.

The attempts that an outage ends are not the job's fault and are not charged, with two bounds. An outage of more than a
day is charged again, because a failure that never ends may be the job's own. And a post whose answer was lost is always
charged, so that no number of outages leads to an unbounded number of posts.

A time to wait for is a time of day. If the clock is set back behind the moment at which it was noted, it means nothing
any more, and the service is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from prreview_cli.core import errors
from prreview_cli.core.retry import Policy

THRESHOLD = 3
"""Attempts in a row that end because a service is down, before it is taken for down."""
PATIENCE = timedelta(days=1)
"""How long an outage excuses the attempts that it ends; no limit is believed for longer either."""
SET_BACK = timedelta(minutes=1)
"""A clock that shows less than this before something happened was read before it, and not set back. Stores know it, too."""

Fence = tuple[str, int]
"""(job id, claim)."""


class Service(StrEnum):
    """Whom a review needs."""

    MODEL = "model"
    HOST = "host"


NAMES = {Service.MODEL: "The model", Service.HOST: "The code host"}

DOWN: dict[type[errors.Failure], Service] = {
    errors.ModelOverloaded: Service.MODEL,
    errors.ModelUnreachable: Service.MODEL,
    errors.HostUnreachable: Service.HOST,
    errors.AmbiguousPost: Service.HOST,
}
"""The failures that mean that a service is down."""

LIMITS: dict[type[errors.Failure], Service] = {
    errors.ModelRateLimited: Service.MODEL,
    errors.HostRateLimited: Service.HOST,
}
"""The failures that mean that a service is up and wants to be left alone."""


class Mode(StrEnum):
    """What a circuit lets through."""

    CLOSED = "closed"
    LIMITED = "limited"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Circuit:
    """What is known of a service. `failures` in a row; `since` when it was taken for down (None: it is not), and not
    to be asked before `until`; `limited_until` is the service's own hint; `noted` is when one of these two was named
    last; `probe` is the job that asks for all."""

    service: Service
    failures: int = 0
    since: datetime | None = None
    until: datetime | None = None
    limited_until: datetime | None = None
    reason: str = ""
    probe: Fence | None = None
    noted: datetime | None = None

    def mode(self, now: datetime) -> Mode:
        """What it lets through now."""
        if self.since is not None:
            return Mode.HALF_OPEN if self.shut_until(now) is None else Mode.OPEN
        return Mode.CLOSED if self.shut_until(now) is None else Mode.LIMITED

    def shut_until(self, now: datetime) -> datetime | None:
        """The time before which no job is taken, if there is one still to come."""
        return max(filter(None, (self._to_come(self.until, now), self.limit_until(now))), default=None)

    def limit_until(self, now: datetime) -> datetime | None:
        """The time before which the service does not want to be asked by anybody, if it is still to come."""
        return self._to_come(self.limited_until, now)

    def _to_come(self, at: datetime | None, now: datetime) -> datetime | None:
        is_set_back = self.noted is not None and self.noted - now > SET_BACK
        return at if at is not None and at > now and not is_set_back else None

    def told(self, now: datetime) -> str:
        """Why jobs wait, as a sentence; "" where they do not."""
        until = self.shut_until(now)
        at = "" if until is None else f" until {until:%H:%M:%S} UTC"
        match self.mode(now):
            case Mode.CLOSED:
                return ""
            case Mode.LIMITED:
                return f"{NAMES[self.service]} asked to be left alone{at}: {self.reason}"
            case Mode.OPEN:
                return f"{NAMES[self.service]} is down; it is not asked{at}: {self.reason}"
            case Mode.HALF_OPEN:
                return f"{NAMES[self.service]} was down; one job tries whether it answers again: {self.reason}"


@dataclass(frozen=True, slots=True)
class Down:
    """The attempt of this claim ended because the service is down. `chance` is uniform in [0, 1); `hint` the service's."""

    reason: str
    fence: Fence
    policy: Policy
    chance: float
    hint: datetime | None = None


@dataclass(frozen=True, slots=True)
class Limited:
    """The service answered that it is not to be asked before a time."""

    reason: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Up:
    """The service answered."""


Event = Down | Limited | Up


def after(circuit: Circuit, event: Event, now: datetime) -> Circuit:
    """The circuit once `event` is known of."""
    match event:
        case Up():
            return _closed(circuit, now)
        case Limited(reason=reason, until=until):
            ends = _whole(min(until, now + PATIENCE))
            closed = _closed(circuit, now)
            return replace(closed, reason=reason, limited_until=max(ends, closed.limited_until or ends), noted=_whole(now))
        case Down() if circuit.since is not None and event.fence != circuit.probe:
            return circuit
        case Down():
            failed = replace(circuit, failures=circuit.failures + 1, reason=event.reason, probe=None)
            if failed.failures < THRESHOLD:
                return failed
            until = now + timedelta(seconds=_rest_s(failed.failures, event))
            shut = _whole(max(until, event.hint or until))
            return replace(failed, since=circuit.since or _whole(now), until=shut, noted=_whole(now))


def excused_until(circuit: Circuit, failure: errors.Failure, policy: Policy, now: datetime) -> datetime | None:
    """When a job may try again, uncharged, whose attempt ended by `failure`; None: it is to blame itself as always."""
    if type(failure) not in DOWN or isinstance(failure, errors.AmbiguousPost):
        return None
    if circuit.since is None or now - circuit.since > PATIENCE:
        return None
    return max(circuit.shut_until(now) or now, now + timedelta(seconds=policy.backoff_s))


def _closed(circuit: Circuit, now: datetime) -> Circuit:
    """No outage; a limit goes on until its time, since the service named it."""
    if circuit.limited_until is None or circuit.limited_until <= now or circuit.shut_until(now) is None:
        return Circuit(circuit.service)
    return Circuit(circuit.service, limited_until=circuit.limited_until, reason=circuit.reason, noted=circuit.noted)


def _rest_s(failures: int, event: Down) -> float:
    """Doubling and capped as `retry.delay` is; jitter in the upper half alone, or a probe could follow at once."""
    ceiling = min(event.policy.backoff_s * 2.0 ** min(failures - 1, 60), event.policy.backoff_max_s)
    return ceiling * (1 + event.chance) / 2


def _whole(at: datetime) -> datetime:
    """Not before that instant, in whole milliseconds, as stores keep them."""
    return at + timedelta(microseconds=-at.microsecond % 1000)
