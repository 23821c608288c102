"""What an operator does to a job by hand, and why it sometimes cannot be.

The store decides in one transaction; a refusal is explained afterwards, from what is there then.
"""

from __future__ import annotations

from datetime import datetime

from prreview_cli.core.errors import UsageError
from prreview_cli.core.job import AT_REST, ENDED_WITHOUT_REVIEW, Job, State
from prreview_cli.core.ports.store import Store
from prreview_cli.services.foreground import LOCAL


async def known(store: Store, id_: str) -> Job:
    """The job of that id; UsageError if there is none."""
    job = await store.jobs.get(id_)
    if job is None:
        raise UsageError("There is no job of that id.", remedy="`prreview jobs list` names those there are.")
    return job


async def retry(store: Store, id_: str, now: datetime) -> Job:
    """Queue a job that ended without a review anew; the job as it now waits.

    A job of an older head is refused, and the newer one's named: its worker would find the newer head on the host
    and end it superseded again. If that head is accepted only a moment later, this is what happens, at no cost.
    """
    job = await known(store, id_)
    if job.repository_id == LOCAL:
        raise UsageError("That was a review of a local clone, which no pool can see.", remedy="Run `prreview review --local` in the clone.")
    newer = await _newer_head(store, job)
    if newer is not None and job.state in ENDED_WITHOUT_REVIEW:
        raise UsageError(
            f"The pull request has had a newer head since, {newer.head_sha[:10]}, whose job {newer.id} is {newer.state}.",
            remedy=_instead(newer),
        )
    queued = await store.jobs.retry(id_, now)
    if queued is None:
        raise await _not_retried(store, id_)
    return queued


async def cancel(store: Store, id_: str, reason: str, now: datetime) -> Job:
    """Skip a waiting job, or take a running one back from its worker; the job as it now stands."""
    await known(store, id_)
    job = await store.jobs.cancel(id_, reason, now)
    if job is None:
        ended = await known(store, id_)
        raise UsageError(f"Job {id_} is {ended.state} already, so there is nothing to cancel.", remedy="See it with `prreview jobs show`.")
    return job


async def _newer_head(store: Store, job: Job) -> Job | None:
    """The newest job of the pull request, if it is of another head and was asked for later."""
    jobs = (await store.jobs.history(job.repository, job.number)).jobs
    newest = max((each for each in jobs if each.repository_id == job.repository_id), key=lambda each: each.generation, default=job)
    return newest if newest.generation > job.generation and newest.head_sha != job.head_sha else None


async def _not_retried(store: Store, id_: str) -> UsageError:
    job = await known(store, id_)
    if job.state is State.POSTED:
        return UsageError(
            f"Job {id_} has its review already.",
            remedy=f"`prreview enqueue {job.repository}#{job.number} --again` pays for a second review of the same head.",
        )
    if job.state not in AT_REST:
        return UsageError(f"Job {id_} is {job.state}, so it needs no retry.", remedy="`prreview why` says what it waits for.")
    return UsageError(
        f"Another job of {job.repository}#{job.number} waits or runs, and a pull request has one at a time.",
        remedy="Wait for it, or cancel it with `prreview jobs cancel`; `prreview why` names it.",
    )


def _instead(newer: Job) -> str:
    if newer.state in ENDED_WITHOUT_REVIEW:
        return f"Run `prreview jobs retry {newer.id}` to have that head reviewed."
    if newer.state is State.POSTED:
        return "Nothing to do: the newer head has its review."
    return "Nothing to do: the newer head is on its way. `prreview why` shows how far."
