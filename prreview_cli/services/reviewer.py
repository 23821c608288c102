"""One review, from a lease to a posted review: the order of these steps is the product.

The pull request is re-read; ours is looked for before anything is paid; the finished review is
stored before it is posted; and ours is looked for again before the one call that posts it. So a
crash between any two steps repeats only what costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prreview_cli.core import errors, prompt
from prreview_cli.core.contract import CONTRACT, CONTRACT_VERSION
from prreview_cli.core.job import AttemptCost, HandBack, Job, Lease, Outcome, Posted, Skipped, Standing, Superseded, Target
from prreview_cli.core.marker import Identity
from prreview_cli.core.ports.agent import Agent, Brief, Progress
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.gateway import Allowance, Gateway, Grant
from prreview_cli.core.ports.host import CodeHost, PullRequest
from prreview_cli.core.ports.snapshots import Snapshot, Snapshots, Wanted
from prreview_cli.core.ports.store import Store
from prreview_cli.core.profile import Model, ReviewPolicy
from prreview_cli.core.review import Review, ReviewStatus, Severity, Submission, Usage, to_json
from prreview_cli.core.toolbox import TOOLS, Toolbox
from prreview_cli.services.publisher import Publisher

NOT_POSTED = "The review is finished and was not to be posted."


@dataclass(slots=True)
class Record:
    """What a hold on a job has used so far; kept beside the outcome, also when there is none."""

    cost: AttemptCost = field(default_factory=AttemptCost)


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Reviews one job at a time for each call; holds no state of its own.

    `secrets_in` names the secrets of ours that a text holds, whole or in part.
    `notes` are sentences that each posted review must carry.
    """

    environment: str
    model: Model
    policy: ReviewPolicy
    store: Store
    host: CodeHost
    snapshots: Snapshots
    agent: Agent
    gateway: Gateway
    clock: Clock
    secrets_in: Callable[[str], Sequence[str]]
    notes: tuple[str, ...] = ()
    progress: Callable[[Progress, Usage], None] = lambda _step, _usage: None
    posts: bool = True

    async def review(self, lease: Lease, record: Record) -> Outcome:
        """Bring the job to its end, or raise the Failure that stopped it. Where nothing is to be posted, the finished
        review is stored and the job given back."""
        job = lease.job
        pull = await self._now(job)
        if (unwanted := self._unwanted(job, pull)) is not None:
            return unwanted
        if not await self._admitted(job, pull):
            return Skipped(f"The author {pull.author} is not among review.authors and may not write to the repository.", unadmitted=True)
        publisher = Publisher(self.store, self.host, self.clock)
        look = publisher.adopt if self.posts else publisher.find
        if (ours := await look(pull, self._identity(job))) is not None:
            return Posted(ours.review_id, "The host already shows our review of this head.", ours.marker)
        made = await self._stored(job) or await self._make(lease, pull, await self.host.merge_base(pull), record)
        if isinstance(made, Skipped):
            return made
        if not self.posts:
            return HandBack(NOT_POSTED)
        return await self._publish(publisher, lease, made)

    async def review_range(self, lease: Lease, pull: PullRequest, merge_base: str, record: Record) -> Outcome:
        """The same for a range of commits that no host knows, so that there is nobody to ask and nowhere to post."""
        made = await self._stored(lease.job) or await self._make(lease, pull, merge_base, record)
        return made if isinstance(made, Skipped) else HandBack(NOT_POSTED)

    # -- whether ---------------------------------------------------------------------------------

    def _unwanted(self, job: Job, pull: PullRequest) -> Outcome | None:
        if not pull.open:
            return Skipped("The pull request is closed.")
        if pull.draft and self.policy.skip_drafts:
            return Skipped("The pull request is a draft.")
        if pull.head_sha != job.head_sha:
            return Superseded("The pull request has another head now.", self._live(job, pull))
        return None

    async def _admitted(self, job: Job, pull: PullRequest) -> bool:
        if job.admitted or pull.author_association in self.policy.authors:
            return True
        return await self.host.may_write(pull, pull.author)

    def _live(self, job: Job, pull: PullRequest) -> Target:
        """The head that the host shows. A label admitted the old head alone, so only the author counts."""
        admitted = pull.author_association in self.policy.authors
        return pull.target(self.clock.now(), admitted=admitted, priority=job.priority)

    def _identity(self, job: Job) -> Identity:
        return Identity(self.environment, job.repository_id, job.number, job.head_sha, job.run)

    async def _stored(self, job: Job) -> Review | None:
        """The review that an earlier try or claim has paid for, unless it is of another base."""
        now = await self.store.jobs.get(job.id)
        return await self.store.reviews.of(job.id) if now is not None and now.reviewed else None

    # -- making it -------------------------------------------------------------------------------

    async def _make(self, lease: Lease, pull: PullRequest, merge_base: str | None, record: Record) -> Review | Skipped:
        """Pay for the review of this head and store it; Skipped if there is nothing to review."""
        wanted = Wanted(
            repository=pull.repository,
            number=pull.number,
            head_sha=pull.head_sha,
            base_tip=pull.base_sha,
            merge_base=merge_base,
            guidelines_path=self.policy.guidelines,
            repository_id=pull.repository_id,
        )
        async with self.snapshots.open(wanted) as snapshot:
            told = prompt.build(pull, snapshot.diff, snapshot.guidelines, include=self.policy.include, ignore=self.policy.ignore)
            if not snapshot.diff.files and not snapshot.diff.omitted:
                return Skipped("The pull request changes no file.")
            _expect_held(await self.store.jobs.begin(lease, self.clock.now()))
            unasked = frozenset(omission.path for omission in told.left_out)
            toolbox = Toolbox(snapshot, self.policy.max_comments, seen=set(told.shown), unasked=unasked)
            submission = await self._look(lease, told, toolbox, record)
            review = await self._finished(lease, pull, snapshot, told, toolbox, submission)
        if names := self.secrets_in(_text_of(review)):
            raise errors.SecretInReview(f"The review held {', '.join(names)} or a part of it, so it was withheld and not stored.")
        if not await self.store.reviews.store(lease, review, self.clock.now()):
            raise errors.Stopped("The job was taken back before its review could be stored.")
        return review

    async def _look(self, lease: Lease, told: prompt.Prompt, toolbox: Toolbox, record: Record) -> Submission:
        brief = Brief(CONTRACT, told.text, self.model.name, self.model.max_turns)
        allowance = Allowance(self.model.name, frozenset(tool.wire_name for tool in TOOLS), self.model.calls_per_review)
        async with self.gateway.grant(lease, allowance) as grant:
            try:
                await self.agent.look(brief, toolbox, grant, lambda step: self.progress(step, grant.usage))
            except (errors.TurnLimitReached, errors.AgentCrashed) as ended:
                # The agent's own account is the weaker one: a refused key also looks like a crash to it.
                raise grant.failure or ended from ended
            finally:
                record.cost += AttemptCost(grant.usage.model_calls, grant.usage.usd)
            return _handed_in(toolbox, grant)

    async def _finished(
        self, lease: Lease, pull: PullRequest, snapshot: Snapshot, told: prompt.Prompt, toolbox: Toolbox, submission: Submission
    ) -> Review:
        coverage = prompt.coverage(snapshot.diff, toolbox.seen, told.left_out)
        threshold = Severity(self.policy.min_severity)
        guidelines = snapshot.guidelines
        return Review(
            status=ReviewStatus.COMPLETE if coverage.full else ReviewStatus.PARTIAL,
            environment=self.environment,
            repository=pull.repository,
            repository_id=pull.repository_id,
            number=pull.number,
            run=lease.job.run,
            base_sha=snapshot.base_sha,
            reviewed_sha=snapshot.head_sha,
            contract_version=CONTRACT_VERSION,
            guidelines_version=None if guidelines is None else guidelines.version,
            model=self.model.name,
            summary=submission.summary,
            findings=tuple(finding for finding in submission.findings if finding.severity.at_least(threshold)),
            coverage=coverage,
            usage=await self.store.spend.of_job(lease.job.id),
            attempts=lease.job.attempts,
            notes=self.notes,
        )

    # -- posting it ------------------------------------------------------------------------------

    async def _publish(self, publisher: Publisher, lease: Lease, review: Review) -> Outcome:
        # Minutes have passed since the pull request was read: it may have another head by now, be closed, or its
        # repository's name may lead to another one (THREATS 18).
        pull = await self._now(lease.job)
        if (unwanted := self._unwanted(lease.job, pull)) is not None:
            return unwanted
        try:
            return Posted(await publisher.publish(lease, pull, review, self._identity(lease.job)))
        except errors.PostRefused:
            # A force-push takes the head out of the pull request, and the host then refuses the commit.
            unwanted = self._unwanted(lease.job, await self._now(lease.job))
            if unwanted is None:
                raise
            return unwanted

    async def _now(self, job: Job) -> PullRequest:
        return await self.host.pull_request(job.repository_id, job.repository, job.number)


def _handed_in(toolbox: Toolbox, grant: Grant) -> Submission:
    if toolbox.submission is not None:
        return toolbox.submission
    raise grant.failure or errors.NoSubmission("The agent ended without handing in a review.")


def _text_of(review: Review) -> str:
    """Every text of a review, one to a line, as it would reach a page; findings are searched whole."""
    return "\n".join(str(value) for finding in to_json(review)["findings"] for value in finding.values()) + "\n" + review.summary


def _expect_held(standing: Standing) -> None:
    if standing is not Standing.HELD:
        raise errors.Stopped(f"The job was taken back before its review began: {standing}.")
