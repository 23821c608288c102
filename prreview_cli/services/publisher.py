"""Posting once: look, post in one call, and if the answer is lost, look again before ever posting twice."""

from __future__ import annotations

from dataclasses import dataclass

from prreview_cli.core import errors
from prreview_cli.core.job import Lease, Standing
from prreview_cli.core.marker import Identity
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.host import CodeHost, PostedReview, PullRequest
from prreview_cli.core.ports.store import Store
from prreview_cli.core.review import Review
from prreview_cli.telemetry import logger

log = logger("publisher")

LOOKS_AFTER_S = (0.0, 10.0)
"""When to look for a post whose answer was lost, in seconds from one look to the next: a post that timed
out may still land after the first look (measured on GitHub)."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Puts a stored review on the host, under the fence and the kill switch."""

    store: Store
    host: CodeHost
    clock: Clock

    async def find(self, pull: PullRequest, identity: Identity) -> PostedReview | None:
        """Our newest review with this identity, whatever its contract version."""
        return _newest([posted for posted in await self.host.our_reviews(pull) if posted.marker.identity == identity])

    async def publish(self, lease: Lease, pull: PullRequest, review: Review, identity: Identity) -> str:
        """The id of the one review with this identity on the host, posted now unless it is there already."""
        ours = await self.host.our_reviews(pull)
        if (found := _newest([posted for posted in ours if posted.marker.identity == identity])) is not None:
            return found.review_id
        await self._expect_allowed(lease)
        try:
            review_id = await self.host.publish(pull, review)
        except errors.AmbiguousPost as lost:
            review_id = await self._settled(pull, identity, lost)
        await self._mark_outdated(pull, ours, identity)
        return review_id

    async def _expect_allowed(self, lease: Lease) -> None:
        """Read immediately before the post, so that none is begun once a newer head was accepted or the profile paused."""
        now = self.clock.now()
        if (pause := await self.store.switches.paused(now)) is not None:
            raise errors.Paused(f"The profile is paused: {pause.reason}")
        if (standing := await self.store.jobs.standing(lease)) is not Standing.HELD:
            raise errors.Stopped(f"The job was taken back before its review was posted: {standing}.")

    async def _settled(self, pull: PullRequest, identity: Identity, lost: errors.AmbiguousPost) -> str:
        for wait in LOOKS_AFTER_S:
            await self.clock.sleep(wait)
            if (found := await self.find(pull, identity)) is not None:
                return found.review_id
        raise lost

    async def _mark_outdated(self, pull: PullRequest, ours: list[PostedReview], identity: Identity) -> None:
        for posted in ours:
            other = posted.marker.identity
            if other.environment != identity.environment or other.head_sha == identity.head_sha or posted.outdated:
                continue
            try:
                await self.host.mark_outdated(pull, posted, identity.head_sha)
            except errors.Failure as failure:
                # The new review stands; a missing notice on the old one is not worth another attempt.
                log.warning("outdated_not_marked", review=posted.review_id, kind=failure.kind, reason=str(failure))


def _newest(found: list[PostedReview]) -> PostedReview | None:
    return found[-1] if found else None
