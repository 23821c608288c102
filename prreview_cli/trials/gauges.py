"""What the server's ops listener says of the queue: only to draw its depth and to know when to stop waiting."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prreview_cli.trials.wire import exchange

_WAITING = ("queued", "scheduled")
_DEPTH = re.compile(r'^prreview_queue_depth\{state="(\w+)"\} (\S+)$', re.MULTILINE)
_PAUSED = re.compile(r"^prreview_paused (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Gauges:
    """Jobs that wait, jobs that are held by a worker, and whether the profile is paused."""

    waiting: int
    running: int
    paused: bool

    @property
    def idle(self) -> bool:
        """Whether nothing is going to happen any more."""
        return self.waiting == 0 and self.running == 0


async def read(ops_url: str) -> Gauges | None:
    """The gauges now, or None if they could not be had."""
    try:
        status, body = await exchange(f"{ops_url.rstrip('/')}/metrics")
    except (OSError, EOFError, ValueError):
        return None
    return parse(body.decode("utf-8", "replace")) if status == 200 else None


def parse(text: str) -> Gauges | None:
    """The gauges in Prometheus' text form, or None if they are not there."""
    depth = {state: int(float(value)) for state, value in _DEPTH.findall(text)}
    paused = _PAUSED.search(text)
    if not depth:
        return None
    return Gauges(sum(depth.get(state, 0) for state in _WAITING), depth.get("running", 0), paused is not None and float(paused[1]) > 0)
