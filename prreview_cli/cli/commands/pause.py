"""`prreview pause`: the kill switch."""

from __future__ import annotations

from typing import Annotated

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import ProfileOption
from prreview_cli.cli.output import say
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.core.errors import UsageError

app = new_app()


@app.command(epilog='Example: prreview pause "The model costs too much today." -p prod')
def pause(
    reason: Annotated[str, typer.Argument(metavar="REASON", help="Why; `status` and the alerts say it.", show_default=False)],
    profile: ProfileOption = None,
) -> None:
    """Stop all model calls and posts of a profile. Deliveries are still accepted, jobs are kept."""
    if not reason.strip():
        raise UsageError("The reason is empty.", remedy="Say in a few words why the profile is paused.")
    house = house_of(profile)
    with house.log("pause", quiet=True):
        begun = with_store(house, lambda store: house.kill_switch(store).pause(reason.strip()), must_exist=False)
    if begun:
        say(f"{house.profile.environment} is paused. `prreview resume` ends it.")
    else:
        say(f"{house.profile.environment} was paused already; its first reason stands.")
