"""`prreview status`: the queue, what is in flight, the last hour, pauses and today's spend; once, or as it changes."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from prreview_cli.cli.formats import short_moment
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import SCHEMA_VERSION, colours, expect_a_reader, print_event, print_json, print_text
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.cli.status_view import lines, picture, read, short
from prreview_cli.cli.wrapping import width
from prreview_cli.core.ports.store import Store
from prreview_cli.wiring import House

app = new_app()

REDRAW_S = 1.0
"""Seconds after which a live view is drawn again although nothing has changed: ages grow."""
LINE_EVERY_S = 0.5

WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Show it as it changes, until Ctrl-C; with --json one object a line.")]


@app.command(epilog="Example: prreview status -p prod --watch")
def status(profile: ProfileOption = None, watch: WatchOption = False, as_json: JsonOption = False) -> None:
    """Show the queue, what is in flight, the last hour, pauses and today's spend."""
    house = house_of(profile)
    if watch:
        with_store(house, lambda store: _watch(house, store, as_json=as_json))
        return
    glance = with_store(house, lambda store: read(house.profile, store, house.clock.now()))
    if as_json:
        print_json(glance.json())
    else:
        print_text("\n".join(lines(glance, width())))


async def _watch(house: House, store: Store, *, as_json: bool) -> None:
    """Until interrupted. A terminal that can move its cursor gets one picture, anything else a line at each change."""
    if not as_json and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        await _draw(house, store)
    else:
        await _follow(house, store, as_json=as_json)


async def _draw(house: House, store: Store) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.live import Live  # noqa: PLC0415

    console = Console(markup=False, highlight=False, emoji=False, no_color=not colours(sys.stdout))
    with Live(console=console, auto_refresh=False) as live:
        while True:
            glance = await read(house.profile, store, house.clock.now())
            live.update(picture(glance, console.width, console.height, console.encoding), refresh=True)
            await store.changed(REDRAW_S)


async def _follow(house: House, store: Store, *, as_json: bool) -> None:
    last = ""
    while True:
        glance = await read(house.profile, store, house.clock.now())
        if (line := short(glance)) != last:
            last = line
            if as_json:
                print_event({"schema_version": SCHEMA_VERSION, **glance.json()})
            else:
                print_text(f"{short_moment(glance.now)}  {line}")
        expect_a_reader()
        await house.clock.sleep(LINE_EVERY_S)
        await store.changed(REDRAW_S)
