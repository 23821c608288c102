"""The net under lost webhooks: open pull requests whose head has no review, queued as their webhook would have queued them.

The host does not deliver again what we missed, and a token as narrow as ours may not ask what that was. So the
open pull requests are looked at instead. A sweep decides by the same policy as a webhook and asks the queue in the
same way, so that a head that has its job or its review already is a duplicate; of what the queue has forgotten, the
worker finds the review on the host before anything is paid.

In one thing it is more careful than a webhook, which is somebody's doing: a timer must not try again what failed for
good, or ask every hour about an author who was refused. A head whose job is dead is left to `prreview jobs retry`,
and one whose job ended as skipped or superseded is asked for only once its pull request has changed since.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from prreview_cli.core import errors, triggers
from prreview_cli.core.events import Answer, AnswerStatus, PullRequestEvent, Review
from prreview_cli.core.job import Job, State
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.host import CodeHost, PullRequest
from prreview_cli.core.ports.store import Store
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.telemetry import logger

PRIORITY = -10
"""Behind every webhook: whoever has just pushed does not wait for a sweep of old pull requests."""
UNREACHABLE_IN_A_ROW = 3
"""After so many repositories the host is taken to be down, and the rest is not asked."""

_NAME = re.compile(r"(?!\.{1,2}/)[A-Za-z0-9_.-]{1,100}/(?!\.{1,2}$)[A-Za-z0-9_.-]{1,100}")

log = logger("sweep")


@dataclass(frozen=True, slots=True)
class Swept:
    """An open pull request, and what became of it (in a dry run: would)."""

    repository: str
    number: int
    head_sha: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Unswept:
    """A repository that could not be looked through, and why; what was seen of it before is swept."""

    repository: str
    failure: errors.Failure


@dataclass(slots=True)
class Catch:
    """What a sweep found. `unasked`: the repositories after the failure that ended it."""

    swept: list[Swept] = field(default_factory=list)
    failed: list[Unswept] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    repositories: int = 0

    def count(self, status: AnswerStatus) -> int:
        """How many pull requests became that."""
        return sum(each.answer.status is status for each in self.swept)


@dataclass(frozen=True, slots=True)
class Sweep:
    """One profile's. `repositories` are its globs; `own_login` is the profile's `host.login`, if it names one."""

    host: CodeHost
    store: Store
    policy: ReviewPolicy
    repositories: tuple[str, ...]
    clock: Clock
    own_login: str | None = None

    async def covered(self) -> list[str]:
        """The repositories to look through. The host is asked for its list only where a glob has a wildcard, or there is none."""
        named = [glob for glob in self.repositories if is_name(glob)]
        if self.repositories and len(named) == len(self.repositories):
            return _once(named)
        try:
            seen = await self.host.repositories()
        except errors.RepositoryForbidden as refused:
            raise errors.RepositoryForbidden(
                "The token may not list the repositories that it sees.",
                remedy="Name them in host.repositories, without wildcards, or with --repository.",
            ) from refused
        return _once([*named, *(each.name for each in seen if triggers.covers(self.repositories, each.name))])

    async def run(self, names: Sequence[str], *, dry_run: bool = False, told: Callable[[str], None] = lambda _: None) -> Catch:
        """Look through these repositories, and queue unless it is a dry run; `told` hears of each before it is asked.

        A repository that fails does not keep the others from being swept. A dead token, a rate limit or a host
        that is down ends the sweep.
        """
        catch, login, unreachable = Catch(), self.own_login or await self.store.switches.own_login(), 0
        for place, name in enumerate(names):
            told(name)
            try:
                await self._look_through(name, login, catch, dry_run=dry_run)
                unreachable = 0
            except errors.Failure as failure:
                log.warning("not_swept", repository=name, failure=failure.kind, reason=str(failure))
                catch.failed.append(Unswept(name, failure))
                unreachable = unreachable + 1 if isinstance(failure, errors.HostUnreachable) else 0
                if unreachable == UNREACHABLE_IN_A_ROW or not isinstance(failure, errors.HostUnreachable | errors.NoAccess):
                    catch.unasked = list(names[place + 1 :])
                    break
        return catch

    async def _look_through(self, name: str, login: str | None, catch: Catch, *, dry_run: bool) -> None:
        async for pull in self.host.open_pull_requests(name):
            answer = await self._answer(pull, login, dry_run=dry_run)
            catch.swept.append(Swept(pull.repository, pull.number, pull.head_sha, answer))
            if answer.status is AnswerStatus.QUEUED and not dry_run:
                log.info("swept", repository=pull.repository, number=pull.number, head_sha=pull.head_sha, job=answer.job)
        catch.repositories += 1

    async def _answer(self, pull: PullRequest, login: str | None, *, dry_run: bool) -> Answer:
        now = self.clock.now()
        history = await self.store.jobs.history(pull.repository, pull.number)
        jobs = [job for job in history.jobs if job.repository_id == pull.repository_id]
        newest = max((job for job in jobs if job.head_sha == pull.head_sha), key=lambda job: job.run, default=None)
        event = _as_event(pull, "synchronize" if jobs else "opened")
        decision = triggers.decide(event, self.policy, self.repositories, login, now)
        if not isinstance(decision, Review):
            return Answer(AnswerStatus.IGNORED, decision.reason, None if newest is None else newest.id)
        if newest is not None and (reason := _left_alone(newest, pull)):
            return Answer(AnswerStatus.IGNORED, reason, newest.id)
        if dry_run:
            return _expected(newest)
        return await self.store.jobs.request(replace(decision.target, priority=PRIORITY), self.policy.min_interval_s, now)


def is_name(text: str) -> bool:
    """Whether it is one repository's OWNER/REPO, and no glob."""
    return _NAME.fullmatch(text) is not None


def _as_event(pull: PullRequest, action: str) -> PullRequestEvent:
    """The webhook that is to be made good: the push of this head, or the opening where the queue knows nothing of it."""
    return PullRequestEvent(
        action=action,
        repository_id=pull.repository_id,
        repository=pull.repository,
        number=pull.number,
        head_sha=pull.head_sha,
        base_ref=pull.base_ref,
        draft=pull.draft,
        open=pull.open,
        updated_at=pull.updated_at,
        author=pull.author,
        author_association=pull.author_association,
        sender=pull.author,
    )


def _left_alone(job: Job, pull: PullRequest) -> str:
    """Why a timer does not ask for this job's head again, "" if it does. The host's time is in whole seconds."""
    if job.state is State.DEAD:
        return f"Its job is dead ({job.failure}); `prreview jobs retry {job.id}` tries again."
    at_rest = job.state in {State.SKIPPED, State.SUPERSEDED}
    if at_rest and pull.updated_at is not None and pull.updated_at < job.updated.replace(microsecond=0):
        return f"Nothing has changed since its job ended as {job.state}: {job.reason or 'no reason was given.'}"
    return ""


def _expected(newest: Job | None) -> Answer:
    """What a request would most likely be answered."""
    if newest is None or newest.state in {State.SKIPPED, State.SUPERSEDED}:
        return Answer(AnswerStatus.QUEUED, "It would be queued.", None if newest is None else newest.id)
    return Answer(AnswerStatus.DUPLICATE, f"Its job is {newest.state}.", newest.id)


def _once(names: Sequence[str]) -> list[str]:
    """Each name once, whatever the case of its letters, in their order."""
    return list({name.lower(): name for name in reversed(names)}.values())[::-1]
