"""`prreview doctor`: everything a profile needs, tried."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_text
from prreview_cli.cli.running import house_of
from prreview_cli.cli.wrapping import labelled, width
from prreview_cli.core.errors import ExitCode
from prreview_cli.examination import Examination
from prreview_cli.services.doctor import Finding, examine
from prreview_cli.telemetry import open_log

app = new_app()

_MARKS = {True: "ok", False: "FAILED", None: "unknown"}


@app.command(epilog="Example: prreview doctor -p prod")
def doctor(
    profile: ProfileOption = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask neither the code host nor the model.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check everything a profile needs, each with its remedy; the model is asked for one token. Exit 1 if a check failed."""
    examination = Examination(house_of(profile))
    checks = examination.checks(offline=offline)

    told: set[str] = set()

    def show(finding: Finding) -> None:
        if not as_json:
            print_text(_line(finding, examination, again=finding.remedy in told))
            told.add(finding.remedy)

    with open_log(None, "doctor", level="error", redact=examination.redact):
        found = asyncio.run(examine(checks, show))
    failed = sum(finding.ok is False for finding in found)
    if as_json:
        print_json({"checks": [_json(finding, examination) for finding in found]})
    else:
        unknown = sum(finding.ok is None for finding in found)
        print_text(f"\n{len(found)} checks: {failed} failed, {unknown} cannot be known from here.")
    if failed:
        raise typer.Exit(int(ExitCode.BROKEN))


def _line(finding: Finding, examination: Examination, *, again: bool) -> str:
    """The finding and below it its remedy, which is written out once."""
    told = labelled(f"{_MARKS[finding.ok]:<8} {finding.name:<23} ", examination.redact(finding.detail), width())
    remedy = "" if finding.ok else "As above." if again and finding.remedy else examination.redact(finding.remedy)
    return f"{told}\n{labelled(' ' * 33 + '> ', remedy, width())}" if remedy else told


def _json(finding: Finding, examination: Examination) -> dict[str, object]:
    remedy = None if finding.ok else examination.redact(finding.remedy) or None
    return {"name": finding.name, "ok": finding.ok, "detail": examination.redact(finding.detail), "remedy": remedy}
