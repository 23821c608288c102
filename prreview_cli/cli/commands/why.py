"""`prreview why OWNER/REPO#N`: one page that tells what happened to a pull request, also when nothing did."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from prreview_cli.cli.formats import attempt_json, delivery_json, duration, job_json, short_moment
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_text
from prreview_cli.cli.pull_requests import PullRequestName, pull_request_name
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.core.ports.store import Attempt, DeliveryRecord, History, Store
from prreview_cli.core.review import Usage

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
    history, usages, posted = with_store(house, lambda store: _read(store, name))
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
            }
        )
    else:
        print_text("\n".join(_page(name, history, usages, posted)))


async def _read(store: Store, name: PullRequestName) -> tuple[History, dict[str, Usage], dict[str, Any] | None]:
    history = await store.jobs.history(name.repository, name.number)
    usages, posted = {}, None
    for job in history.jobs:
        usages[job.id] = await store.spend.of_job(job.id)
        if job.review_id is not None:
            review = await store.reviews.of(job.id)
            posted = {"review_id": job.review_id, "head_sha": job.head_sha, "status": None if review is None else review.status.value}
    return history, usages, posted


def _page(name: PullRequestName, history: History, usages: dict[str, Usage], posted: dict[str, Any] | None) -> list[str]:
    lines = [f"{name.repository}#{name.number}", ""]
    if not history.deliveries and not history.jobs:
        return [*lines, *NOTHING]
    lines += ["Deliveries", *([_delivery(record) for record in history.deliveries] or ["  none; it was queued by hand"]), "", "Jobs"]
    for job in history.jobs:
        usage = usages[job.id]
        state = job.state + (f" ({job.failure})" if job.failure else "") + (f", due {short_moment(job.due)}" if job.due else "")
        lines.append(f"  {job.id}  {job.head_sha[:10]}  run {job.run}  {state}  {usage.model_calls} model calls, {usage.usd:.4f} USD")
        if job.reason:
            lines.append(f"      {job.reason}")
        lines += [f"      {_attempt(attempt)}" for attempt in history.attempts if attempt.job == job.id]
    if not history.jobs:
        lines.append("  none: no delivery asked for a review")
    lines += ["", "Posted"]
    lines.append("  nothing" if posted is None else _posted(posted))
    return lines


def _posted(posted: dict[str, Any]) -> str:
    how = posted["status"] or "found on the host, not made here"
    return f"  review {posted['review_id']} of {posted['head_sha'][:10]}, {how}"


NOTHING = [
    "Nothing is known of this pull request here: no delivery, no job.",
    "See that the webhook of the repository points here and sends pull_request events,",
    "or queue it by hand with `prreview enqueue`.",
]


def _delivery(record: DeliveryRecord) -> str:
    delivery, answer = record.delivery, record.answer
    what = f"{delivery.event}.{delivery.action}" if delivery.action else delivery.event
    job = f"  {answer.job}" if answer.job else ""
    return f"  {short_moment(delivery.received)}  {what}  {delivery.id or '(no id)'}\n      {answer.status}{job}: {answer.reason}"


def _attempt(attempt: Attempt) -> str:
    if attempt.ended is None:
        return f"{short_moment(attempt.started)}  held by worker {attempt.worker}"
    took = duration((attempt.ended - attempt.started).total_seconds())
    failure = ": ".join(part for part in (attempt.failure, attempt.reason) if part)
    return f"{short_moment(attempt.started)}  {attempt.outcome} after {took}" + (f"  {failure}" if failure else "")
