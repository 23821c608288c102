"""`prreview audit-logs`: whether a secret stands in the logs, in any encoding, without ever showing it."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.core import globs
from prreview_cli.core.errors import PrreviewError, UsageError
from prreview_cli.core.profile import Profile

if TYPE_CHECKING:
    from prreview_cli.audit import Baseline, Known, Search

app = new_app()


class Rules(StrEnum):
    """What is looked for."""

    KNOWN = "known"
    ALL = "all"


@app.command(
    epilog="Example: prreview audit-logs -p prod /var/log/nginx ci.log.zst\nExample: prreview audit-logs -p prod --journal prreview.service"
)
def audit_logs(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files, folders, or - for stdin. Default: the profile's state folder and database."),
    ] = None,
    profile: ProfileOption = None,
    all_profiles: Annotated[bool, typer.Option("--all-profiles", help="Look for the secrets of every profile there is.")] = False,
    exclude: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Leave these out of folders; repeatable.")] = None,
    rules: Annotated[Rules, typer.Option(help="known: the profile's secrets alone; all: shapes of tokens as well.")] = Rules.ALL,
    journal: Annotated[
        list[str] | None, typer.Option(metavar="UNIT", help="Search what systemd's journal holds of this unit; repeatable.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Say nothing of the findings that this file accepts.", show_default=False)
    ] = None,
    write_baseline: Annotated[bool, typer.Option("--write-baseline", help="Accept all that is found now, into the --baseline.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Search logs for the profile's secrets, in every encoding, and for well-known tokens.

    Says where and which, never the value. Ends with 1 on a finding, else with 5 if anything was not wholly searched.
    """
    _refuse_bad_globs(exclude or [])
    if write_baseline and baseline is None:
        raise UsageError("--write-baseline needs the file's name.", remedy="Add --baseline FILE.")
    from prreview_cli.cli.audit_view import print_report, said, watching  # noqa: PLC0415 - what the command loads
    from prreview_cli.cli.output import print_json, say  # noqa: PLC0415
    from prreview_cli.telemetry import harden_process  # noqa: PLC0415
    from prreview_cli.wiring import SystemClock  # noqa: PLC0415

    harden_process()
    profiles, broken = _profiles(profile, everyone=all_profiles)
    units = journal or []
    _see_that_there_is_a_journal(units)
    targets = [] if units and not paths else _targets(paths or [], profiles)
    known = _known(profiles, lenient=all_profiles)
    accepted = _accepted(baseline, known, recording=write_baseline) if baseline else None
    search = _search(known, broken, rules, accepted)
    clock = SystemClock()
    started = clock.monotonic()
    with watching(search, clock):
        for target in targets:
            if target is None:
                search.stream(sys.stdin.buffer)
            else:
                search.path(target, exclude or [])
        for unit in units:
            search.journal(unit)
    if accepted and baseline and write_baseline:
        accepted.write(baseline)
    if as_json:
        print_json(search.report.to_json())
    else:
        print_report(search.report)
    say(said(search.report, clock.monotonic() - started))
    if accepted and accepted.gone:
        say(f"{accepted.gone} of the baseline's findings are there no more; drop them with --write-baseline.")
    if search.report.exit_code:
        raise typer.Exit(int(search.report.exit_code))


def _profiles(chosen: str | None, *, everyone: bool) -> tuple[list[Profile], list[tuple[str, PrreviewError]]]:
    """The profiles whose secrets are looked for and, of all of them, those that cannot be read: (file, why)."""
    from prreview_cli.settings import load_profile, profile_paths, profiles_folder, read_profile  # noqa: PLC0415 - as above

    if not everyone:
        return [load_profile(chosen)], []
    if chosen is not None:
        raise UsageError("--profile and --all-profiles exclude each other.")
    files = profile_paths(os.environ)
    if not files:
        raise UsageError(f"There is no profile in {profiles_folder(os.environ)}.", remedy="Make one with `prreview profile create`.")
    profiles: list[Profile] = []
    broken: list[tuple[str, PrreviewError]] = []
    for file in files:
        try:
            profiles.append(read_profile(file))
        except PrreviewError as error:
            broken.append((str(file), error))
    if not profiles:
        raise broken[0][1]
    return profiles, broken


def _targets(paths: list[str], profiles: list[Profile]) -> list[Path | None]:
    """What is searched, None for stdin; UsageError for what is not there, before anything is searched."""
    from prreview_cli.audit.places import is_there  # noqa: PLC0415 - as above
    from prreview_cli.settings import queue_path, state_path  # noqa: PLC0415

    if not paths:
        own = [path for profile in profiles for path in (state_path(profile), queue_path(profile))]
        there: list[Path | None] = [path for path in own if is_there(path)]
        if not there:
            raise UsageError(f"Nothing has been kept yet in {own[0]}.", remedy="Name the logs to search: prreview audit-logs PATH.")
        return there
    for path in paths:
        if not path:  # an unset variable of a script: to Path it is the working directory, whose being clean says nothing
            raise UsageError("An empty PATH was given.", remedy="Name files and folders that are there, or - for stdin.")
        if path != "-" and not is_there(Path(path)):
            raise UsageError(f"There is nothing at {path}.", remedy="Name files and folders that are there, or - for stdin.")
    return [None if path == "-" else Path(path) for path in paths]


def _see_that_there_is_a_journal(units: list[str]) -> None:
    from prreview_cli.audit.journal import PROGRAM  # noqa: PLC0415 - as above

    if "" in units:
        raise UsageError("--journal needs the name of a unit.", remedy="Name one: prreview audit-logs --journal prreview.service.")
    if units and shutil.which(PROGRAM) is None:
        raise UsageError(
            f"There is no {PROGRAM} here to read the journal with.", remedy="Name the logs to search: prreview audit-logs PATH."
        )


def _known(profiles: list[Profile], *, lenient: bool) -> Known:
    """The values to look for. One that cannot be had is an error; of all profiles' values, a gap that is named."""
    from prreview_cli.audit import values_of  # noqa: PLC0415 - as above

    known = values_of(profiles)
    if known.missing and not (lenient and known.secrets):
        raise known.missing[0][1]
    return known


def _accepted(file: Path, known: Known, *, recording: bool) -> Baseline:
    from prreview_cli.audit import Baseline  # noqa: PLC0415 - as above

    return Baseline.of(file, known.secrets, recording=recording)


def _search(known: Known, broken: list[tuple[str, PrreviewError]], rules: Rules, accepted: Baseline | None) -> Search:
    """A search that knows what to look for, and has named what it does not."""
    from prreview_cli.audit import Search  # noqa: PLC0415 - as above
    from prreview_cli.secrecy import RULES, Matcher  # noqa: PLC0415

    search = Search(Matcher(known.secrets, RULES if rules is Rules.ALL else ()), accepted)
    for file, error in broken:
        search.not_scanned(file, f"its secrets were not looked for: {_clause(error)}")
    for which, unavailable in known.missing:
        search.not_scanned(which, f"its value was not looked for: {_clause(unavailable)}")
    return search


def _clause(error: PrreviewError) -> str:
    return str(error).split("\n", 1)[0].removesuffix(".")


def _refuse_bad_globs(exclude: list[str]) -> None:
    for glob in exclude:
        try:
            globs.matcher(glob)
        except ValueError as error:
            raise UsageError(f"--exclude {glob!a} is no glob: {error}") from None
