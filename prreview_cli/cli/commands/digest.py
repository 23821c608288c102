"""`prreview digest`: what a week of reviews came to."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from prreview_cli.cli import digest_view
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_text
from prreview_cli.cli.periods import began
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.services.digest import summarize

app = new_app()


class Format(StrEnum):
    """What a digest is printed as."""

    TEXT = "text"
    MARKDOWN = "markdown"


@app.command(epilog="Example: prreview digest -p prod --since 7d --format markdown")
def digest(
    profile: ProfileOption = None,
    since: Annotated[str, typer.Option(metavar="24h|7d|DATE", help="When the period began; it ends now.")] = "7d",
    form: Annotated[Format, typer.Option("--format", help="For people.")] = Format.TEXT,
    as_json: JsonOption = False,
) -> None:
    """Summarize a week of reviews from the database: outcomes, findings, cost, latency, and by version."""
    house = house_of(profile)
    now = house.clock.now()
    start = began(since, now)
    told = with_store(house, lambda store: summarize(store, start, now))
    kept, environment = house.profile.state.keep_days, house.profile.environment
    pruned = kept if start < now - timedelta(days=kept) else None
    if as_json:
        print_json(digest_view.as_json(told, environment, pruned))
    elif form is Format.MARKDOWN:
        print_text(digest_view.markdown(told, environment, pruned))
    else:
        digest_view.print_digest(told, environment, pruned)
