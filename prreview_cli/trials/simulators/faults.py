"""Faults to order: what a code host or a network does on a bad day, to the requests that a test names."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from prreview_cli.trials.simulators.http import Request, Response, json_response
from prreview_cli.trials.simulators.loopback import Gate


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer this and do nothing."""

    response: Response


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection and do nothing."""


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """Do what was asked, then reset the connection: the client cannot know that it was done."""


@dataclass(frozen=True, slots=True)
class LandLater:
    """Reset the connection, and do what was asked only once the gate is opened."""

    gate: Gate


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait before doing what was asked. Seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Wait at a gate before doing what was asked."""

    gate: Gate


Effect = Answer | Reset | LoseAnswer | LandLater | Delay | Hold


@dataclass(slots=True)
class Fault:
    """`effect` befalls the next `times` requests (None: all) whose method and path match; `path` is a glob."""

    method: str
    path: str
    effect: Effect
    times: int | None = 1

    def befalls(self, request: Request) -> bool:
        """Whether this request is one of them; counts down if it is."""
        if self.times == 0 or request.method != self.method or not fnmatchcase(request.path, self.path):
            return False
        self.times = None if self.times is None else self.times - 1
        return True


def bad_gateway() -> Answer:
    """502, as a proxy in front of the host says it."""
    return Answer(Response(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", {"content-type": "text/html"}))


def secondary_limit(retry_after_s: int) -> Answer:
    """403 for too many writes in too short a time (docs.github.com, "Rate limits for the REST API")."""
    message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    return Answer(json_response({"message": message}, 403, {"retry-after": str(retry_after_s), "x-ratelimit-remaining": "4999"}))
