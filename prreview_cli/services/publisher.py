"""Posting once: look, post in one call, and if the answer is lost, look again before ever posting twice.

Once a post was begun its outcome is wanted even if the job is taken back meanwhile: a newer head's post
must not begin while nobody knows whether the older one's stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

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

PATIENCE_S = 30.0
"""How long a worker waits for its turn to write; for a later one the job gives its slot back."""

FRESH_S = 1.0
"""How old, in seconds, the look at the fence may be when the post begins; an older one is repeated."""

SETTLE_S = 5.0
"""How long a post that was sent is waited for after its job was taken back."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Puts a stored review on the host, under the fence and the kill switch."""

    store: Store
    host: CodeHost
    clock: Clock

    async def find(self, pull: PullRequest, identity: Identity) -> PostedReview | None:
        """Our newest review with this identity, whatever its contract version."""
        return _newest([posted for posted in await self.host.our_reviews(pull) if posted.marker.identity == identity])

    async def adopt(self, pull: PullRequest, identity: Identity) -> PostedReview | None:
        """As `find`; what follows a post is made up for, in case its worker died in between."""
        ours = await self.host.our_reviews(pull)
        if (found := _newest([posted for posted in ours if posted.marker.identity == identity])) is not None:
            await self._mark_outdated(pull, ours, identity)
        return found

    async def publish(self, lease: Lease, pull: PullRequest, review: Review, identity: Identity) -> str:
        """The id of the one review with this identity on the host, posted now unless it is there already.

        Cancelled after the post was sent, it still returns the id if that becomes known within `SETTLE_S`.
        """
        await self._let_land(lease)
        ours = await self.host.our_reviews(pull)
        if (found := _newest([posted for posted in ours if posted.marker.identity == identity])) is not None:
            await self._mark_outdated(pull, ours, identity)
            return found.review_id
        post = _Post(self, lease)
        review_id = await _finished(post, self._post(post, pull, review, identity))
        if not post.interrupted:
            await self._mark_outdated(pull, ours, identity)
        return review_id

    async def _let_land(self, lease: Lease) -> None:
        """A worker that died, or was ended, in the middle of a post left nobody to read its answer. What it sent may still
        land, so the look before the next post is one that comes late enough to be the second."""
        if (began := await self.store.jobs.post_under_way(lease)) is not None:
            passed = (self.clock.now() - began).total_seconds()
            if passed < LOOKS_AFTER_S[-1]:
                await self.clock.sleep(LOOKS_AFTER_S[-1] - max(0.0, passed))

    async def _post(self, post: _Post, pull: PullRequest, review: Review, identity: Identity) -> str:
        try:
            return await self.host.publish(pull, review, post)
        except errors.AmbiguousPost as lost:
            return await self._settled(pull, identity, lost)

    async def take_turn(self) -> None:
        """Wait for our turn among all writes to this host."""
        now = self.clock.now()
        turn = await self.store.turns.next(self.host.pace, PATIENCE_S, now)
        if turn > now + timedelta(seconds=PATIENCE_S):
            raise errors.HostWritesSpent("So much was posted lately that the code host would object to more.", retry_at=turn)
        if turn > now:
            await self.clock.sleep((turn - now).total_seconds())

    async def expect_allowed(self, lease: Lease) -> None:
        """Read immediately before the post, so that none is begun once a newer head was accepted or the profile paused; that
        it begins is noted with it.

        Read again if it took long: this process may have been stopped (SIGSTOP) between what it read and what it does then.
        """
        while True:
            asked = self.clock.monotonic()
            await self._expect_allowed(lease)
            if self.clock.monotonic() - asked <= FRESH_S:
                return

    async def _expect_allowed(self, lease: Lease) -> None:
        now = self.clock.now()
        if (pause := await self.store.switches.paused(now)) is not None:
            raise errors.Paused(f"The profile is paused: {pause.reason}")
        if (standing := await self.store.jobs.begin_post(lease, now)) is not Standing.HELD:
            raise errors.Stopped(f"The job was taken back before its review was posted: {standing}.")

    async def _settled(self, pull: PullRequest, identity: Identity, lost: errors.AmbiguousPost) -> str:
        for wait in LOOKS_AFTER_S:
            await self.clock.sleep(wait)
            try:
                found = await self.find(pull, identity)
            except (errors.HostUnreachable, errors.HostRateLimited, errors.CircuitOpen) as failure:
                # A host that cannot be asked now may have stored it before: this stays a lost post, which is always charged.
                log.warning("look_failed", reason=str(failure))
                continue
            if found is not None:
                return found.review_id
        raise lost

    async def _mark_outdated(self, pull: PullRequest, ours: list[PostedReview], identity: Identity) -> None:
        for posted in ours:
            other = posted.marker.identity
            if other.environment != identity.environment or other.head_sha == identity.head_sha or posted.outdated:
                continue
            try:
                await self.take_turn()
                await self.host.mark_outdated(pull, posted, identity.head_sha)
            except errors.Failure as failure:
                # The new review stands; a missing notice on the old one is not worth another attempt.
                log.warning("outdated_not_marked", review=posted.review_id, kind=failure.kind, reason=str(failure))


@dataclass(slots=True)
class _Post:
    """The permit of one post, and how far it has come. `begun`: the host may have heard of it; `interrupted`: its job
    was taken back since."""

    publisher: Publisher
    lease: Lease
    begun: bool = False
    interrupted: bool = False

    async def turn(self) -> None:
        await self.publisher.take_turn()

    async def begin(self) -> None:
        await self.publisher.expect_allowed(self.lease)
        self.begun = True


async def _finished(post: _Post, work: Coroutine[Any, Any, str]) -> str:
    """What the work comes to. A cancellation ends it at once before the post is begun, and afterwards only if the
    outcome does not become known in time."""
    working = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        post.interrupted = True
        try:
            if post.begun:
                await asyncio.wait({working}, timeout=SETTLE_S)
        finally:
            working.cancel()
        await asyncio.wait({working})
        if working.cancelled() or working.exception() is not None:
            raise
        return working.result()


def _newest(found: list[PostedReview]) -> PostedReview | None:
    return found[-1] if found else None
