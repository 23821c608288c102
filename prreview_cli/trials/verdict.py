"""The judgement of a load test: what was promised, what the simulators saw, and the result for people and scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from prreview_cli.trials.burst import PATIENCE_S, Ack, Acks, summary
from prreview_cli.trials.kills import Victim

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Killing:
    """What was killed, in bursts of `burst` drawn from `seed`, and what was seen of it: reviews of another head than the
    pull request's, requests to the model for a review that was stored already and for one whose worker had been dead for
    more than a second, and processes that outlived their worker by more than five."""

    burst: int
    rounds: int
    seed: int
    kills: Mapping[str, int]
    wrong_heads: int = 0
    needless: int = 0
    orphaned: int = 0
    left_over: tuple[str, ...] = ()

    def promises(self) -> tuple[Promise, ...]:
        """What is promised beyond a burst that is left in peace."""
        left = f", such as {self.left_over[0]}" if self.left_over else ""
        return (
            Promise("Right head", self.wrong_heads == 0, f"{self.wrong_heads} reviews of another head"),
            Promise("Paid once", self.needless == 0, f"{self.needless} model calls after a stored review"),
            Promise("Silent when killed", self.orphaned == 0, f"{self.orphaned} model calls later than 1 s after their worker was killed"),
            Promise("Nothing left over", not self.left_over, f"{len(self.left_over)} processes 5 s after their worker's end{left}"),
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen from outside. `posted` names the review of each post, `reviews` all that were asked for,
    `refused` the posts that the host would not store, `strayed` the requests on no route of SPEC. All are of one
    repository: `per_repository` is its own bound, if it is not 0."""

    workers: int
    reviews: tuple[str, ...]
    deliveries: int
    acks: tuple[Ack, ...]
    posted: tuple[str, ...]
    peak_in_flight: int
    peak_model_calls: int
    refused: int
    strayed: tuple[str, ...]
    exit_code: int
    per_repository: int = 0
    calls_per_review: int = 1
    killing: Killing | None = None

    @property
    def bound(self) -> int:
        """How many reviews may be in flight at once."""
        return min(self.workers, self.per_repository or self.workers)

    @property
    def duplicates(self) -> int:
        """Posts beyond the first of their review."""
        return len(self.posted) - len(set(self.posted))

    @property
    def lost(self) -> int:
        """Reviews whose delivery was acknowledged and that were not posted."""
        return len({ack.review for ack in self.acks if ack.accepted} - set(self.posted))


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise, whether it was kept, and the figure that shows it."""

    name: str
    kept: bool
    figure: str


@dataclass(frozen=True, slots=True)
class Sample:
    """The state at `t_s` seconds after the first delivery."""

    t_s: float
    queued: int
    in_flight: int
    posted: int


@dataclass(frozen=True, slots=True)
class Result:
    """A load test that went to its end. `last_words` are the server's complaints, where a promise was broken."""

    agent: str
    observed: Observed
    timeline: tuple[Sample, ...]
    drain_s: float
    promises: tuple[Promise, ...]
    last_words: tuple[str, ...] = ()

    @property
    def acks(self) -> Acks:
        """The acknowledgements together."""
        return summary(self.observed.acks)

    @property
    def broken(self) -> tuple[str, ...]:
        """The names of the promises that were not kept."""
        return tuple(promise.name for promise in self.promises if not promise.kept)

    def to_json(self) -> dict[str, Any]:
        """The schema of SPEC, section 9."""
        seen, killing = self.observed, self.observed.killing
        return {
            "schema_version": SCHEMA_VERSION,
            "burst": killing.burst if killing else len(seen.reviews),
            "workers": seen.workers,
            "agent": self.agent,
            "acks": asdict(self.acks),
            "peak_in_flight": seen.peak_in_flight,
            "peak_model_calls": seen.peak_model_calls,
            "posted": len(seen.posted),
            "duplicates": seen.duplicates,
            "lost": seen.lost,
            "drain_s": self.drain_s,
            "timeline": [asdict(sample) for sample in self.timeline],
            "verdict": "broken" if self.broken else "kept",
            "broken": list(self.broken),
            "rounds": killing.rounds if killing else 1,
            "seed": killing.seed if killing else None,
            "kills": {victim.value: killing.kills.get(victim, 0) if killing else 0 for victim in Victim},
        }


def judge(seen: Observed) -> tuple[Promise, ...]:
    """Each promise, by what was seen."""
    acked = sum(ack.accepted for ack in seen.acks)
    slowest = max((ack.ms for ack in seen.acks if ack.accepted), default=0.0)
    reviewed = len(set(seen.posted))
    calls = seen.bound * seen.calls_per_review
    within = seen.peak_in_flight <= seen.bound and seen.peak_model_calls <= calls
    return (
        Promise(
            "Acknowledged in time",
            acked == seen.deliveries,
            f"{acked} of {seen.deliveries}, the slowest in {slowest:.1f} ms of {PATIENCE_S * 1000:.0f}",
        ),
        Promise("Acknowledged is durable", seen.lost == 0, f"{seen.lost} lost, {reviewed} of {len(seen.reviews)} reviewed"),
        Promise(
            "Bounded",
            within,
            f"at most {seen.peak_in_flight} of {seen.bound} reviews and {seen.peak_model_calls} of {calls} model calls at once",
        ),
        Promise("Once", seen.duplicates == 0, f"{seen.duplicates} posted twice{_worst(seen.posted)}"),
        Promise("Anchored", seen.refused == 0, f"{seen.refused} reviews refused by the host"),
        Promise("Within its routes", not seen.strayed, _strayed(seen.strayed)),
        Promise("Drained", seen.exit_code == 0, f"the server ended with exit code {seen.exit_code} after SIGTERM"),
        *(seen.killing.promises() if seen.killing else ()),
    )


def _worst(posted: Sequence[str]) -> str:
    most = Counter(posted).most_common(1)
    return f" ({most[0][0]} {most[0][1]} times)" if most and most[0][1] > 1 else ""


def _strayed(requests: Sequence[str]) -> str:
    first = f", such as {requests[0]}" if requests else ""
    return f"{len(requests)} requests beyond those of a reviewer{first}"
