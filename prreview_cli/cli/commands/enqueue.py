"""`prreview enqueue`: one pull request, queued by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from prreview_cli.cli.formats import job_json
from prreview_cli.cli.frame import new_app
from prreview_cli.cli.options import JsonOption, ProfileOption
from prreview_cli.cli.output import print_json, print_text, say
from prreview_cli.cli.pull_requests import PullRequestName, expect_covered, looked_up, pull_request_name
from prreview_cli.cli.running import house_of, with_store
from prreview_cli.core import errors
from prreview_cli.core.errors import ExitCode, UsageError
from prreview_cli.core.events import Answer
from prreview_cli.core.job import AT_REST, Job, State
from prreview_cli.core.ports.host import PullRequest
from prreview_cli.core.ports.store import Store
from prreview_cli.core.review import Review, ReviewStatus, to_json
from prreview_cli.wiring import House

app = new_app()

LOOK_S = 1.0


@app.command(epilog="Example: prreview enqueue octo/demo#12 -p prod --wait")
def enqueue(
    pull_request: Annotated[str, typer.Argument(metavar="OWNER/REPO#N", help="The pull request, or its address.", show_default=False)],
    profile: ProfileOption = None,
    sha: Annotated[str | None, typer.Option(help="Queue it only if this is its head.", show_default=False)] = None,
    again: Annotated[bool, typer.Option("--again", help="Review a head once more that was reviewed already.")] = False,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher goes first.")] = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job has ended; the exit code tells how.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Queue one pull request by hand. A head that is queued or reviewed already is a duplicate."""
    house = house_of(profile)
    name = pull_request_name(pull_request, house.profile.host.git_url)
    expect_covered(house.profile, name.repository)
    answer, job, review = with_store(house, lambda store: _enqueue(house, store, name, sha, again, priority, wait), must_exist=False)
    if as_json:
        told = {"status": answer.status.value, "reason": answer.reason, "job": answer.job}
        print_json(told | ({"ended": None if job is None else job_json(job), "review": review and to_json(review)} if wait else {}))
    else:
        print_text("  ".join(part for part in (answer.status.value, answer.job, answer.reason) if part))
        if job is not None:
            print_text("  ".join(part for part in (job.state.value, job.failure, job.reason) if part))
    if wait and job is not None and (code := exit_code(job, review)):
        raise typer.Exit(int(code))


async def _enqueue(
    house: House, store: Store, name: PullRequestName, sha: str | None, again: bool, priority: int, wait: bool
) -> tuple[Answer, Job | None, Review | None]:
    try:
        pull = await looked_up(house.host, name)
    finally:
        await house.host.close()
    _expect_reviewable(house, pull, sha)
    # Whoever may run this command decides about the author.
    target = pull.target(house.clock.now(), admitted=True, again=again, priority=priority)
    answer = await store.jobs.request(target, house.profile.review.min_interval_s, house.clock.now())
    if not wait or answer.job is None:
        return answer, None, None
    job = await _ended(house, store, answer.job)
    return answer, job, await store.reviews.of(job.id)


def _expect_reviewable(house: House, pull: PullRequest, sha: str | None) -> None:
    expect_covered(house.profile, pull.repository)
    if sha is not None and not (len(sha) >= 7 and pull.head_sha.startswith(sha.lower())):
        raise UsageError(f"The head of the pull request is {pull.head_sha} now.", remedy="Leave --sha out to queue that one.")
    if not pull.open:
        raise UsageError("The pull request is closed.", remedy="Reopen it to have it reviewed.")


async def _ended(house: House, store: Store, id_: str) -> Job:
    say(f"Waiting for job {id_}; Ctrl-C leaves it in the queue.")
    told: State | None = None
    while True:
        job = await store.jobs.get(id_)
        if job is None:
            raise errors.StoreUnusable(f"Job {id_} is no longer in the queue.")
        if job.state in AT_REST:
            return job
        pause = await store.switches.paused(house.clock.now())
        if pause is not None:
            raise errors.Paused(f"The profile is paused, so the job waits in the queue: {pause.reason}")
        if job.state is not told:
            say(f"{job.state}{': ' + job.reason if job.reason else ''}")
            told = job.state
        await store.changed(LOOK_S)


def exit_code(job: Job, review: Review | None) -> ExitCode:
    """How a job that is at rest ends a command that waited for it (SPEC §3)."""
    match job.state:
        case State.POSTED:
            return ExitCode.INCOMPLETE if review is not None and review.status is ReviewStatus.PARTIAL else ExitCode.DONE
        case State.SUPERSEDED:
            return ExitCode.SUPERSEDED
        case State.DEAD:
            return errors.of_kind(job.failure).exit_code
    return ExitCode.DONE
