"""`prreview sweep`: queue the open pull requests whose head has no review."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Self

import typer

from prreview_cli.cli.formats import moment
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import colours, print_json, print_table, print_text, safe, say, say_error
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.cli.wrapping import labelled, width
from prreview_cli.core import triggers
from prreview_cli.core.errors import ExitCode, RepositoryForbidden, UsageError
from prreview_cli.core.events import AnswerStatus
from prreview_cli.core.ports.store import Pause, Store
from prreview_cli.services.sweep import Catch, Sweep, is_name
from prreview_cli.wiring import House

app = new_app()

UNSEEN = "Give the token access to it, or leave it out of host.repositories."
WORST_FIRST = (ExitCode.USAGE, ExitCode.FORBIDDEN, ExitCode.TRANSIENT, ExitCode.BROKEN)


@app.command(epilog="Example: prreview sweep -p prod --dry-run")
def sweep(
    profile: ProfileOption = None,
    repositories: Annotated[
        list[str] | None, typer.Option("--repository", metavar="OWNER/REPO", help="Only this one; may be repeated.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Queue nothing; say what would be queued, and what it costs at most.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Queue the open pull requests whose head has no review: the net under lost webhooks, for a timer."""
    house = house_of(profile)
    names = [_covered(house, name) for name in repositories or []]
    with house.log("sweep", quiet=True):
        catch, pause, spent = with_store(house, lambda store: _sweep(house, store, names, dry_run=dry_run), must_exist=False)
    bill = _Bill.of(house, catch, spent)
    if as_json:
        print_json(_json(house, catch, pause, bill, dry_run=dry_run))
    else:
        _print(house, catch, pause, bill, dry_run=dry_run)
    _end(catch)


def _covered(house: House, name: str) -> str:
    if not is_name(name):
        raise UsageError("That does not name a repository.", remedy="Write OWNER/REPO.")
    if not triggers.covers(house.profile.host.repositories, name):
        raise UsageError(f"{name} is not among host.repositories.", remedy="Add it to the profile first.")
    return name


async def _sweep(house: House, store: Store, names: list[str], *, dry_run: bool) -> tuple[Catch, Pause | None, float]:
    config = house.profile.host
    sweep = Sweep(house.host, store, house.profile.review, config.repositories, house.clock, config.login)
    try:
        with _progress() as told:
            if not names:
                told("what host.repositories covers")
                names = await sweep.covered()
            catch = await sweep.run(names, dry_run=dry_run, told=told)
    finally:
        await house.host.close()
    now = house.clock.now()
    return catch, await store.switches.paused(now), await store.spend.today(now)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Name what is being looked at: in one line on a terminal, in plain lines elsewhere."""
    if not colours(sys.stderr):
        yield lambda name: say(f"Looking through {name}.")
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.text import Text  # noqa: PLC0415

    with Console(stderr=True, highlight=False).status("") as status:
        yield lambda name: status.update(Text(f"Looking through {safe(name)}"))


@dataclass(frozen=True, slots=True)
class _Bill:
    """What the queued reviews can cost at most, USD: in all, and of that today, before the day's cap closes."""

    in_all: float
    today: float

    @classmethod
    def of(cls, house: House, catch: Catch, spent: float) -> Self:
        model = house.profile.model
        in_all = catch.count(AnswerStatus.QUEUED) * model.max_usd_per_review
        return cls(round(in_all, 6), round(max(0.0, min(in_all, model.max_usd_per_day - spent)), 6))


def _json(house: House, catch: Catch, pause: Pause | None, bill: _Bill, *, dry_run: bool) -> dict[str, Any]:
    return {
        "environment": house.profile.environment,
        "dry_run": dry_run,
        "repositories": catch.repositories,
        "queued": catch.count(AnswerStatus.QUEUED),
        "max_usd": bill.in_all,
        "max_usd_today": bill.today,
        "paused": None if pause is None else {"reason": pause.reason, "since": moment(pause.since), "until": moment(pause.until)},
        "results": [
            {
                "repository": each.repository,
                "number": each.number,
                "head_sha": each.head_sha,
                "status": each.answer.status.value,
                "reason": each.answer.reason,
                "job": each.answer.job,
            }
            for each in catch.swept
        ],
        "failed": [{"repository": each.repository, "class": each.failure.kind, "reason": str(each.failure)} for each in catch.failed],
        "not_asked": catch.unasked,
    }


def _print(house: House, catch: Catch, pause: Pause | None, bill: _Bill, *, dry_run: bool) -> None:
    shown = [each for each in catch.swept if each.answer.status is not AnswerStatus.DUPLICATE]
    if shown:
        rows = [
            (
                f"{each.repository}#{each.number}",
                each.head_sha[:10],
                _shown(each.answer.status, dry_run=dry_run),
                each.answer.job or "",
                each.answer.reason,
            )
            for each in shown
        ]
        print_table(["PULL REQUEST", "HEAD", "STATUS", "JOB", "REASON"], rows)
    queued, known = catch.count(AnswerStatus.QUEUED), catch.count(AnswerStatus.DUPLICATE)
    open_ = f"{_number(len(catch.swept), 'open pull request')} in {_number(catch.repositories, 'repository', 'repositories')}"
    lines = [f"{open_}: {queued} {'would be ' if dry_run else ''}queued, {known} with a job already, {len(shown) - queued} left alone."]
    if queued:
        model = house.profile.model
        lines.append(
            f"At most {bill.in_all:.2f} USD ({queued} x {model.max_usd_per_review:.2f}); at most {bill.today:.2f} of it today, "
            f"since the day is capped at {model.max_usd_per_day:.2f}."
        )
    print_text("\n".join(labelled("", line, width()) for line in lines))
    if pause is not None:
        say(f"{house.profile.environment} is paused, so what is queued waits for `prreview resume`: {pause.reason}")


def _shown(status: AnswerStatus, *, dry_run: bool) -> str:
    return "would queue" if dry_run and status is AnswerStatus.QUEUED else status.value


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"


def _end(catch: Catch) -> None:
    """Say what could not be swept, and exit with the worst of its codes."""
    for each in catch.failed:
        remedy = UNSEEN if isinstance(each.failure, RepositoryForbidden) else each.failure.remedy
        say_error(f"{each.repository} was not swept to its end. {each.failure}", remedy)
    if catch.unasked:
        say(
            f"{_number(len(catch.unasked), 'further repository', 'further repositories')} not asked after that; the next sweep begins anew."
        )
    codes = {each.failure.exit_code for each in catch.failed}
    if codes:
        raise typer.Exit(int(next((code for code in WORST_FIRST if code in codes), ExitCode.BROKEN)))
