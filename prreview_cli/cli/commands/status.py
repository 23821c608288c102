"""`prreview status`: the queue, what is in flight, pauses and today's spend."""

from __future__ import annotations

from typing import Any

from prreview_cli.cli.formats import duration, moment, short_moment
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_text
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.core.job import State
from prreview_cli.core.ports.store import Pause, Store
from prreview_cli.wiring import House

app = new_app()


@app.command(epilog="Example: prreview status -p prod --json")
def status(profile: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Show the queue, what is in flight, pauses and today's spend."""
    house = house_of(profile)
    data, pause = with_store(house, lambda store: _read(house, store))
    if as_json:
        print_json(data)
    else:
        print_text("\n".join(_lines(house, data, pause)))


async def _read(house: House, store: Store) -> tuple[dict[str, Any], Pause | None]:
    now = house.clock.now()
    depth, pause = await store.jobs.depth(now), await store.switches.paused(now)
    oldest = None if depth.oldest_due is None else max(0.0, round((now - depth.oldest_due).total_seconds(), 3))
    data = {
        "environment": house.profile.environment,
        **{state.value: depth.by_state.get(state, 0) for state in (State.QUEUED, State.SCHEDULED, State.RUNNING, State.DEAD)},
        "oldest_queued_s": oldest,
        "paused": None if pause is None else {"reason": pause.reason, "since": moment(pause.since), "until": moment(pause.until)},
        "usd_today": round(await store.spend.today(now), 6),
    }
    return data, pause


def _lines(house: House, data: dict[str, Any], pause: Pause | None) -> list[str]:
    workers, model = house.profile.workers, house.profile.model
    lines = [
        f"{'environment':<14}{data['environment']}",
        f"{'queued':<14}{data['queued']}"
        + ("" if data["oldest_queued_s"] is None else f"  the oldest for {duration(data['oldest_queued_s'])}"),
        f"{'scheduled':<14}{data['scheduled']}",
        f"{'in flight':<14}{data['running']} of {workers.count}",
        f"{'dead':<14}{data['dead']}" + ("  see `prreview jobs list --state dead`" if data["dead"] else ""),
        f"{'spent today':<14}{data['usd_today']:.2f} of {model.max_usd_per_day:.2f} USD",
    ]
    if pause is None:
        return [*lines, f"{'paused':<14}no"]
    until = "until `prreview resume`" if pause.until is None else f"until {short_moment(pause.until)}"
    return [*lines, f"{'paused':<14}since {short_moment(pause.since)}, {until}", f"{'':<14}{pause.reason}"]
