"""`prreview why OWNER/REPO#N`: one page that tells what happened to a pull request, also when nothing did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import Annotated, Any

import typer

from prreview_cli.cli.formats import attempt_json, delivery_json, duration, ending, job_json, short_moment, times
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_text
from prreview_cli.cli.present import Present, present
from prreview_cli.cli.pull_requests import PullRequestName, pull_request_name
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.cli.whereabouts import whereabouts
from prreview_cli.cli.wrapping import labelled, width
from prreview_cli.core.events import Delivery
from prreview_cli.core.job import Job, State
from prreview_cli.core.ports.store import Attempt, DeliveryRecord, History, Store
from prreview_cli.core.review import Usage
from prreview_cli.services.pulse import FRESH_S
from prreview_cli.wiring import House

app = new_app()


@app.command(epilog="Example: prreview why octo/demo#12 -p prod")
def why(
    pull_request: Annotated[str, typer.Argument(metavar="OWNER/REPO#N", help="The pull request, or its address.", show_default=False)],
    profile: ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell everything that happened to one pull request."""
    house = house_of(profile)
    name = pull_request_name(pull_request, house.profile.host.git_url)
    history, usages, posted, now = with_store(house, lambda store: _read(house, store, name))
    total = sum(usages.values(), Usage())
    if as_json:
        print_json(
            {
                "repository": name.repository,
                "number": name.number,
                "deliveries": [delivery_json(record) for record in history.deliveries],
                "jobs": [job_json(job) for job in history.jobs],
                "attempts": [attempt_json(attempt) for attempt in history.attempts],
                "model_calls": total.model_calls,
                "usd": total.usd,
                "posted": posted,
                "now": now,
            }
        )
    else:
        print_text("\n".join(_page(name, history, usages, posted, now, width())))


async def _read(house: House, store: Store, name: PullRequestName) -> tuple[History, dict[str, Usage], dict[str, Any] | None, str]:
    history = await store.jobs.history(name.repository, name.number)
    usages, posted = {}, None
    for job in history.jobs:
        usages[job.id] = await store.spend.of_job(job.id)
        if job.review_id is not None:
            review = await store.reviews.of(job.id)
            posted = {"review_id": job.review_id, "head_sha": job.head_sha, "status": None if review is None else review.status.value}
    return history, usages, posted, present(name.repository, history, await _present(house, store))


async def _present(house: House, store: Store) -> Present:
    now = house.clock.now()
    return Present(
        profile=house.profile,
        now=now,
        pause=await store.switches.paused(now),
        circuits=await store.circuits.all(),
        pools=await store.pools.alive(now - timedelta(seconds=FRESH_S)),
        running=await store.jobs.list([State.RUNNING], None),
        serving=whereabouts(house.state).webhook is not None,
    )


def _page(
    name: PullRequestName, history: History, usages: dict[str, Usage], posted: dict[str, Any] | None, now: str, columns: int
) -> list[str]:
    lines = [f"{name.repository}#{name.number}", ""]
    if history.deliveries or history.jobs:
        lines += ["Deliveries", *(_deliveries(history.deliveries, columns) or ["  none; it was queued by hand"]), "", "Jobs"]
        for job in history.jobs:
            lines += _job(job, usages[job.id], [each for each in history.attempts if each.job == job.id], columns)
        lines += [] if history.jobs else ["  none"]
        total = sum(usages.values(), Usage())
        lines += ["", "Cost", f"  {_cost(total)}, {total.input_tokens} tokens in, {total.output_tokens} out"]
        lines += ["", "Posted", "  nothing" if posted is None else _posted(posted), ""]
    return [*lines, "Now", labelled("  ", now, columns)]


def _deliveries(records: Sequence[DeliveryRecord], columns: int) -> list[str]:
    """One after the other; the same answer to the same event many times in a row is told once, with the count."""
    lines = []
    for _, alike in groupby(records, _kind):
        first, *more = alike
        delivery, answer = first.delivery, first.answer
        head = "" if delivery.head_sha is None else f"  {delivery.head_sha[:10]}"
        what = f"{_event(delivery)}{head}  {delivery.id or '(no id)'}"
        lines.append(labelled(f"  {short_moment(delivery.received)}  ", what, columns))
        lines.append(labelled("      ", f"{answer.status}{f' as {answer.job}' if answer.job else ''}: {answer.reason}", columns))
        if more:
            lines.append(f"      and {len(more)} more like it, the last at {short_moment(more[-1].delivery.received)}")
    return lines


def _kind(record: DeliveryRecord) -> tuple[object, ...]:
    delivery = record.delivery
    return delivery.event, delivery.action, delivery.head_sha, record.answer


def _event(delivery: Delivery) -> str:
    return f"{delivery.event}.{delivery.action}" if delivery.action else delivery.event


def _job(job: Job, usage: Usage, attempts: Sequence[Attempt], columns: int) -> list[str]:
    due = f", due {short_moment(job.due)}" if job.state is State.SCHEDULED else ""
    state = job.state + (f" ({job.failure})" if job.failure else "") + due
    run = f"  run {job.run}" if job.run else ""
    lines = [labelled(f"  {job.id}  ", f"{job.head_sha[:10]}{run}  {state}  {_cost(usage)}", columns)]
    lines.append(f"      {short_moment(job.created)}  queued" + ("" if job.admitted else ", its author still to be admitted"))
    lines += [labelled(f"      {short_moment(each.started)}  ", _attempt(each), columns) for each in attempts]
    if job.reason and (not attempts or job.reason != attempts[-1].reason):
        lines.append(labelled(f"      {short_moment(job.updated)}  ", job.reason, columns))
    return lines


def _attempt(attempt: Attempt) -> str:
    if attempt.ended is None:
        return f"held by worker {attempt.worker}"
    took = duration((attempt.ended - attempt.started).total_seconds())
    why = ": ".join(part for part in (attempt.failure, attempt.reason) if part)
    return f"{ending(attempt)} after {took}, {_cost_of(attempt)}" + (f"; {why}" if why else "")


def _cost(usage: Usage) -> str:
    return f"{times(usage.model_calls, 'model call')}, {usage.usd:.4f} USD"


def _cost_of(attempt: Attempt) -> str:
    return _cost(Usage(usd=attempt.cost.usd, model_calls=attempt.cost.model_calls))


def _posted(posted: dict[str, Any]) -> str:
    how = posted["status"] or "found on the host, not made here"
    return f"  review {posted['review_id']} of {posted['head_sha'][:10]}, {how}"
