"""How the state of a profile is read from its database, and shown: as lines, as one line, as a picture, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from prreview_cli.cli.charts import bar, blocks
from prreview_cli.cli.formats import duration, moment, short_moment
from prreview_cli.cli.output import safe
from prreview_cli.cli.wrapping import labelled
from prreview_cli.core.circuit import Circuit, Mode
from prreview_cli.core.job import AT_REST, Job, State
from prreview_cli.core.ports.store import Beat, Depth, Pause, Store
from prreview_cli.core.profile import Profile
from prreview_cli.services.pulse import FRESH_S
from prreview_cli.settings import state_path
from prreview_cli.telemetry.untold import Untold
from prreview_cli.telemetry.untold import read as read_untold

if TYPE_CHECKING:
    from rich.console import Group

SHOWN = (State.QUEUED, State.SCHEDULED, State.RUNNING, State.DEAD)
RATE = timedelta(hours=1)
_OTHER_ROWS = 18
"""Rows of a picture besides the jobs in flight, with room for a reason of a few lines."""
LAST_JOBS = 1000
"""Jobs a state among which the last hour's are looked for, so that a look costs the same behind a million."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A profile at one moment. `ended` counts the jobs that came to rest within the last hour, by their state;
    `review_s` is how long a review has taken on average since the database began; `circuits` are those not closed."""

    profile: Profile
    now: datetime
    depth: Depth
    running: Sequence[Job]
    pools: Sequence[Beat]
    pause: Pause | None
    circuits: Sequence[Circuit]
    usd_today: float
    ended: Counter[State]
    review_s: float | None
    untold: Sequence[Untold] = ()

    @property
    def oldest_s(self) -> float | None:
        """How long the longest waiting job has been due."""
        due = self.depth.oldest_due
        return None if due is None else max(0.0, round((self.now - due).total_seconds(), 3))

    def count(self, state: State) -> int:
        """Jobs in a state."""
        return self.depth.by_state.get(state, 0)

    def held_s(self, job: Job) -> float:
        """How long a running job has been held."""
        return max(0.0, round((self.now - job.updated).total_seconds(), 3))

    def json(self) -> dict[str, Any]:
        """As `status --json` gives it (SPEC §9), with more behind."""
        pause = self.pause
        return {
            "environment": self.profile.environment,
            **{state.value: self.count(state) for state in SHOWN},
            "oldest_queued_s": self.oldest_s,
            "paused": None if pause is None else {"reason": pause.reason, "since": moment(pause.since), "until": moment(pause.until)},
            "usd_today": round(self.usd_today, 6),
            "usd_per_day": self.profile.model.max_usd_per_day,
            "workers": self.profile.workers.count,
            "in_flight": [
                {"job": job.id, "repository": job.repository, "number": job.number, "held_s": self.held_s(job)} for job in self.running
            ],
            "pools": [{"worker": pool.worker, "slots": pool.slots, "model_calls": pool.model_calls_in_flight} for pool in self.pools],
            "last_hour": {state.value: self.ended[state] for state in State if state in AT_REST},
            "review_s": self.review_s,
            "alerts_untold": [asdict(one) for one in self.untold],
            "circuits": [self._circuit_json(circuit) for circuit in self.circuits],
        }

    def _circuit_json(self, circuit: Circuit) -> dict[str, Any]:
        return {
            "service": circuit.service.value,
            "state": circuit.mode(self.now).value,
            "since": moment(circuit.since),
            "until": moment(circuit.shut_until(self.now)),
            "reason": circuit.reason,
        }


async def read(profile: Profile, store: Store, now: datetime) -> Glance:
    """How the profile stands now."""
    jobs, took = store.jobs, await store.jobs.review_seconds()
    newest = await jobs.list(sorted(AT_REST), LAST_JOBS)
    reviews = sum(took.counts)
    return Glance(
        profile=profile,
        now=now,
        depth=await jobs.depth(now),
        running=await jobs.list([State.RUNNING], None),
        pools=[pool for pool in await store.pools.alive(now - timedelta(seconds=FRESH_S)) if pool.slots],
        pause=await store.switches.paused(now),
        circuits=[circuit for circuit in await store.circuits.all() if circuit.mode(now) is not Mode.CLOSED],
        usd_today=await store.spend.today(now),
        ended=Counter(job.state for job in newest if job.updated > now - RATE),
        review_s=round(took.total_s / reviews, 3) if reviews else None,
        untold=read_untold(state_path(profile)),
    )


def lines(glance: Glance, columns: int) -> list[str]:
    """For a person, once."""
    return [labelled(f"{label:<16}", text, columns) for label, text in _facts(glance, len(glance.running))]


def short(glance: Glance) -> str:
    """In one line, without what changes by itself as time goes by."""
    parts = [f"{state.value} {glance.count(state)}" for state in SHOWN]
    parts += [f"posted {glance.count(State.POSTED)}", f"spent today {glance.usd_today:.2f} USD"]
    parts.append("no pool alive" if not glance.pools else f"pools {len(glance.pools)}")
    if glance.pause is not None:
        parts.append(f"paused: {glance.pause.reason}")
    parts += [f"{circuit.service.value} {circuit.mode(glance.now).value.replace('_', '-')}" for circuit in glance.circuits]
    parts += [f"{one.whom} was not told" for one in glance.untold]
    return ", ".join(parts)


def picture(glance: Glance, columns: int, rows: int, encoding: str) -> Group:
    """For a terminal of that size, drawn again and again: the facts, with a bar where there is a bound.

    The last line is empty: there the terminal writes its ^C, which would else move the picture.
    """
    from rich.console import Group  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    drawing, room = blocks(encoding), max(10, min(40, columns - 60))
    workers, model = glance.profile.workers, glance.profile.model
    slots = bar(glance.count(State.RUNNING), workers.count, room, drawing)
    money = bar(round(glance.usd_today * 1000), max(1, round(model.max_usd_per_day * 1000)), room, drawing)
    bars = {"in flight": (slots, "cyan"), "spent today": (money, "yellow")}
    shown = [Text.assemble(("status  ", "bold"), short_moment(glance.now), "   Ctrl-C ends"), Text("")]
    urgent = False
    for label, text in _facts(glance, max(1, rows - _OTHER_ROWS)):
        drawn = bars.get(label, ("", ""))
        urgent = label == "waiting" or (glance.pause is not None and label == "paused") or (urgent and not label)
        if urgent:  # the reason says what to do, so all of it is shown
            shown.append(Text(labelled(f"{label:<16}", text, columns), "bold red"))
        else:
            shown.append(Text.assemble(f"{label:<16}", drawn, "  " if drawn[0] else "", safe(text), overflow="ellipsis", no_wrap=True))
    return Group(*shown, Text(""))


def _facts(glance: Glance, most: int) -> list[tuple[str, str]]:
    """A label and what is to be said; a continued line has an empty label. Of the jobs in flight `most` are named."""
    more = len(glance.running) - most
    workers, model, dead = glance.profile.workers, glance.profile.model, glance.count(State.DEAD)
    oldest = "" if glance.oldest_s is None else f"  the oldest for {duration(glance.oldest_s)}"
    return [
        ("environment", glance.profile.environment),
        ("queued", f"{glance.count(State.QUEUED)}{oldest}"),
        ("scheduled", str(glance.count(State.SCHEDULED))),
        ("in flight", f"{glance.count(State.RUNNING)} of {workers.count}"),
        *(("", f"{job.id}  for {duration(glance.held_s(job))}  {job.repository}#{job.number}") for job in glance.running[:most]),
        *([("", f"and {more} more")] if more > 0 else []),
        ("dead", f"{dead}" + ("  see `prreview jobs list --state dead`" if dead else "")),
        ("last hour", _rate(glance)),
        *([] if glance.review_s is None else [("a review takes", f"{duration(glance.review_s)} on average")]),
        ("pools", _pools(glance.pools)),
        ("spent today", f"{glance.usd_today:.2f} of {model.max_usd_per_day:.2f} USD"),
        *_paused(glance.pause),
        *(("waiting", circuit.told(glance.now)) for circuit in glance.circuits),
        *(("not told", f"{one.whom} of {one.event!r} at {one.at}: {one.reason}") for one in glance.untold),
    ]


def _rate(glance: Glance) -> str:
    return ", ".join(f"{glance.ended[state]} {state}" for state in (State.POSTED, State.SKIPPED, State.SUPERSEDED, State.DEAD))


def _pools(pools: Sequence[Beat]) -> str:
    if not pools:
        return "none is alive: start `prreview serve` or `prreview work`"
    slots, calls = sum(pool.slots for pool in pools), sum(pool.model_calls_in_flight for pool in pools)
    return f"{len(pools)} alive, {slots} slot{'' if slots == 1 else 's'}, {calls} model call{'' if calls == 1 else 's'} in flight"


def _paused(pause: Pause | None) -> list[tuple[str, str]]:
    if pause is None:
        return [("paused", "no")]
    until = "until `prreview resume`" if pause.until is None else f"until {short_moment(pause.until)}"
    return [("paused", f"since {short_moment(pause.since)}, {until}"), ("", pause.reason)]
