"""`prreview jobs`: the queue and the dead letters."""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from typing import Annotated, Any

import typer

from prreview_cli.cli.formats import attempt_json, ending, job_json, short_moment, times
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_table, print_text, say
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.cli.wrapping import labelled, width
from prreview_cli.core.errors import UsageError
from prreview_cli.core.job import Job, State
from prreview_cli.core.ports.store import Attempt, Pause, Store
from prreview_cli.core.review import Review, to_json
from prreview_cli.services import by_hand
from prreview_cli.wiring import House

app = new_app()

ON_A_TERMINAL = 50

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, as `jobs list` gives it.", show_default=False)]


@app.callback(epilog="Example: prreview jobs list -p prod --state dead")
def jobs() -> None:
    """List, show, retry and cancel jobs, the dead ones too."""


@app.command("list", epilog="Example: prreview jobs list -p prod --state dead --json")
def list_(
    profile: ProfileOption = None,
    states: Annotated[
        list[State] | None, typer.Option("--state", metavar="STATE", help=f"Only jobs in this state; may be repeated: {', '.join(State)}.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first: all of them with --json, the newest 50 on a terminal."""
    limit = None if as_json or not sys.stdout.isatty() else ON_A_TERMINAL + 1
    found = with_store(house_of(profile), lambda store: store.jobs.list(states or [], limit))
    if as_json:
        print_json({"jobs": [job_json(job) for job in found]})
        return
    shown = found if limit is None else found[:ON_A_TERMINAL]
    if not shown:
        say("There are no such jobs.")
        return
    print_table(["JOB", "PULL REQUEST", "HEAD", "STATE", "ATTEMPTS", "UPDATED", "REASON"], [_row(job) for job in shown])
    if len(found) > len(shown):
        say(f"These are the newest {ON_A_TERMINAL}; --json lists them all.")


@app.command(epilog="Example: prreview jobs show JOB -p prod --json")
def show(
    job: JobArgument,
    profile: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one job: its attempts, what they cost, and its review."""
    found, attempts, review = with_store(house_of(profile), lambda store: _read(store, job))
    if as_json:
        stored = None if review is None else to_json(review)
        print_json({"job": job_json(found), "attempts": [attempt_json(attempt) for attempt in attempts], "review": stored})
    else:
        print_text("\n".join(_lines(found, attempts, review)))


@app.command(epilog="Example: prreview jobs retry JOB -p prod")
def retry(job: JobArgument, profile: ProfileOption = None, as_json: JsonOption = False) -> None:
    """Queue a dead, skipped or superseded job anew, with all its attempts."""
    house = house_of(profile)
    with house.log("jobs", quiet=True):
        queued, pause = with_store(house, lambda store: _changed(house, by_hand.retry(store, job, house.clock.now()), store))
    _tell(queued, f"{queued.id} is queued anew: {queued.repository}#{queued.number} at {queued.head_sha[:10]}.", as_json)
    if pause is not None:
        say(f"The profile is paused, so it waits until `prreview resume`: {pause.reason}")


@app.command(epilog='Example: prreview jobs cancel JOB --reason "Too large." -p prod')
def cancel(
    job: JobArgument,
    profile: ProfileOption = None,
    reason: Annotated[str, typer.Option(help="Why; `why` and `jobs show` say it.")] = "It was cancelled by hand.",
    as_json: JsonOption = False,
) -> None:
    """Cancel a waiting job, or have a running one stopped. What is already posted stays."""
    if not reason.strip():
        raise UsageError("The reason is empty.", remedy="Say in a few words why, or leave --reason out.")
    house = house_of(profile)
    with house.log("jobs", quiet=True):
        ended, _ = with_store(house, lambda store: _changed(house, by_hand.cancel(store, job, reason.strip(), house.clock.now()), store))
    if ended.state is State.RUNNING:
        told = f"{ended.id} is being stopped by its worker; nothing more is paid or posted for it, but a post already under way may land."
    else:
        told = f"{ended.id} is skipped. `prreview jobs retry {ended.id}` takes that back."
    _tell(ended, told, as_json)


async def _changed(house: House, change: Awaitable[Job], store: Store) -> tuple[Job, Pause | None]:
    return await change, await store.switches.paused(house.clock.now())


def _tell(job: Job, told: str, as_json: bool) -> None:
    if as_json:
        print_json({"job": job_json(job)})
        say(told)
    else:
        print_text(labelled("", told, width()))


async def _read(store: Store, id_: str) -> tuple[Job, list[Attempt], Review | None]:
    job = await by_hand.known(store, id_)
    history = await store.jobs.history(job.repository, job.number)
    return job, [attempt for attempt in history.attempts if attempt.job == id_], await store.reviews.of(id_)


def _row(job: Job) -> list[object]:
    name = f"{job.repository}#{job.number}"
    return [job.id, name, job.head_sha[:10], job.state, job.attempts, short_moment(job.updated), job.reason or ""]


def _lines(job: Job, attempts: list[Attempt], review: Review | None) -> list[str]:
    facts: list[tuple[str, Any]] = [
        ("job", job.id),
        ("pull request", f"{job.repository}#{job.number}"),
        ("head", job.head_sha + (f", run {job.run}" if job.run else "")),
        ("state", job.state + (f" ({job.failure})" if job.failure else "")),
        ("reason", job.reason or "-"),
        ("due", short_moment(job.due) or "-"),
        ("created", short_moment(job.created)),
        ("updated", short_moment(job.updated)),
        ("attempts", f"{job.attempts} charged, {len(attempts)} in all"),
    ]
    if review is not None:
        counts = ", ".join(f"{count} {severity}" for severity, count in review.counts().items())
        place = "not posted yet" if review.review_id is None else f"posted as {review.review_id}"
        facts.append(("review", f"{review.status}: {counts}; {review.usage.usd:.4f} USD; {place}"))
    columns = width()
    told = [labelled(f"{name:<14}", str(value), columns) for name, value in facts]
    return told + [line for attempt in attempts for line in _attempt_lines(attempt, columns)]


def _attempt_lines(attempt: Attempt, columns: int) -> list[str]:
    ended = "still held" if attempt.ended is None else f"{ending(attempt)} after {(attempt.ended - attempt.started).total_seconds():.1f} s"
    cost = f"{times(attempt.cost.model_calls, 'model call')}, {attempt.cost.usd:.4f} USD"
    why = ": ".join(part for part in (attempt.failure, attempt.reason) if part)
    head = labelled(f"  {short_moment(attempt.started)}  ", f"claim {attempt.claim}  {ended}  {cost}", columns)
    return [head, *([labelled("      ", why, columns)] if why else [])]
