"""The summary of a period, from the database alone: what became of the jobs that came to rest in it, and what they cost.

A job counts in the period in which it came to rest, once, as it rests now. Its cost is that of all its attempts,
whenever they were. Quality is counted over the reviews that were made here and posted, by the versions of the
contract, of the repository's guidelines and of the model, so that one version can be held against another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from math import ceil
from typing import Self, TypeVar

from prreview_cli.core.job import AT_REST, Job, State
from prreview_cli.core.ports.store import Ended, Store
from prreview_cli.core.review import ReviewStatus, Severity, Usage

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Version:
    """What a review was made with. `guidelines` is None where the repository had none."""

    contract: str
    guidelines: str | None
    model: str


@dataclass(frozen=True, slots=True)
class Tally:
    """Reviews that were made here and posted. `silent`: how many of them found nothing. USD."""

    reviews: int = 0
    partial: int = 0
    silent: int = 0
    findings: Mapping[Severity, int] = field(default_factory=lambda: dict.fromkeys(Severity, 0))
    usd: float = 0.0

    @classmethod
    def of(cls, ended: Iterable[Ended]) -> Self:
        """Over these, of which those without a review of ours do not count."""
        made = [(each.review, each.usage.usd) for each in ended if each.review is not None]
        return cls(
            reviews=len(made),
            partial=sum(review.status is ReviewStatus.PARTIAL for review, _ in made),
            silent=sum(not any(review.findings.values()) for review, _ in made),
            findings={severity: sum(review.findings[severity] for review, _ in made) for severity in Severity},
            usd=round(sum(usd for _, usd in made), 6),
        )

    @property
    def per_review(self) -> float | None:
        """Findings a review."""
        return sum(self.findings.values()) / self.reviews if self.reviews else None


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from a job's first acceptance to its posted review, by nearest rank, over `reviews` of them."""

    reviews: int
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Digest:
    """What a period came to. `found`: jobs that ended as posted because the host showed our review of that head already;
    `unfinished`: jobs that wait or run now, whenever they were accepted; `failures`: failed attempts by class, of jobs
    that were posted later too; `dead`: dead jobs by class."""

    since: datetime
    until: datetime
    outcomes: Mapping[State, int]
    unfinished: int
    found: int
    all: Tally
    usage: Usage
    usd_by_day: Mapping[date, float]
    latency: Latency | None
    failures: Mapping[str, int]
    dead: Mapping[str, int]
    skipped: Mapping[str, int]
    repositories: Mapping[str, Tally]
    versions: Mapping[Version, Tally]


async def summarize(store: Store, since: datetime, until: datetime) -> Digest:
    """The digest of the jobs that came to rest at or after `since` and before `until`, which is now."""
    ended = await store.jobs.ended(since, until)
    days = await store.spend.by_day(since.astimezone(UTC).date(), until.astimezone(UTC).date())
    depth = await store.jobs.depth(until)
    posted = [each for each in ended if each.job.state is State.POSTED]
    made = [each for each in posted if each.review is not None]
    jobs = [each.job for each in ended]
    return Digest(
        since=since,
        until=until,
        outcomes={state: sum(job.state is state for job in jobs) for state in State if state in AT_REST},
        unfinished=sum(count for state, count in depth.by_state.items() if state not in AT_REST),
        found=len(posted) - len(made),
        all=Tally.of(made),
        usage=sum((each.usage for each in ended), Usage()),
        usd_by_day=days,
        latency=_latency([(job.updated - job.created).total_seconds() for job in (each.job for each in made)]),
        failures=_counted(failure for each in ended for failure in each.failures),
        dead=_counted(job.failure or "unknown" for job in jobs if job.state is State.DEAD),
        skipped=_counted(_impersonal(job) for job in jobs if job.state is State.SKIPPED),
        repositories=_tallies((each.job.repository, each) for each in made),
        versions=_tallies((_version(each), each) for each in made),
    )


def _latency(seconds: Sequence[float]) -> Latency | None:
    """A clock that was set back makes no review faster than at once."""
    if not seconds:
        return None
    ranked = sorted(max(0.0, each) for each in seconds)
    p50, p90 = (ranked[ceil(share * len(ranked)) - 1] for share in (0.5, 0.9))
    return Latency(len(ranked), p50, p90)


def _counted(words: Iterable[str]) -> dict[str, int]:
    """How often each occurs, the most frequent first."""
    return dict(sorted(Counter(words).items(), key=lambda pair: (-pair[1], pair[0])))


def _impersonal(job: Job) -> str:
    """Why a job was skipped, without the author's name, so that the same reason is one reason."""
    return (job.reason or "no reason was given").replace(f" {job.author} ", " … ")


def _tallies(pairs: Iterable[tuple[Key, Ended]]) -> dict[Key, Tally]:
    """A tally for each key, the one with the most reviews first."""
    groups: dict[Key, list[Ended]] = {}
    for key, each in pairs:
        groups.setdefault(key, []).append(each)
    tallies = {key: Tally.of(group) for key, group in groups.items()}
    return dict(sorted(tallies.items(), key=lambda pair: (-pair[1].reviews, str(pair[0]))))


def _version(ended: Ended) -> Version:
    review = ended.review
    if review is None:
        raise ValueError(f"Job {ended.job.id} has no review, and so no version.")
    return Version(review.contract_version, review.guidelines_version, review.model)
