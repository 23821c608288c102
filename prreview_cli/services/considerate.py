"""Leaving the code host alone while it wants to be, whichever job was told so, in whichever process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from prreview_cli.core.circuit import Service
from prreview_cli.core.errors import HostRateLimited
from prreview_cli.core.pace import Pace
from prreview_cli.core.ports.host import CodeHost, Permit, PostedReview, PullRequest, SeenRepository
from prreview_cli.core.review import Review
from prreview_cli.services.breaker import Breaker

T = TypeVar("T")


class ConsiderateHost:
    """A code host as the jobs of one profile ask it: a limit that it tells one of them is noted at once, and until it is
    over the others get CircuitOpen, with the time, and it gets no request."""

    def __init__(self, host: CodeHost, breaker: Breaker) -> None:
        self.pace: Pace = host.pace
        self._host, self._breaker = host, breaker

    async def identify(self) -> str:
        return await self._asked(self._host.identify)

    async def pull_request(self, repository_id: int | None, repository: str, number: int) -> PullRequest:
        return await self._asked(lambda: self._host.pull_request(repository_id, repository, number))

    async def repositories(self) -> list[SeenRepository]:
        return await self._asked(self._host.repositories)

    async def open_pull_requests(self, repository: str) -> AsyncIterator[PullRequest]:
        listed = self._host.open_pull_requests(repository)
        while (pull := await self._asked(lambda: anext(listed, None))) is not None:
            yield pull

    async def merge_base(self, pull: PullRequest) -> str | None:
        return await self._asked(lambda: self._host.merge_base(pull))

    async def may_write(self, pull: PullRequest, login: str) -> bool:
        return await self._asked(lambda: self._host.may_write(pull, login))

    async def our_reviews(self, pull: PullRequest) -> list[PostedReview]:
        return await self._asked(lambda: self._host.our_reviews(pull))

    async def publish(self, pull: PullRequest, review: Review, permit: Permit) -> str:
        return await self._asked(lambda: self._host.publish(pull, review, _Considerate(permit, self._breaker)))

    def review_page(self, repository: str, number: int, review_id: str) -> str:
        return self._host.review_page(repository, number, review_id)

    async def mark_outdated(self, pull: PullRequest, posted: PostedReview, newer_sha: str) -> None:
        await self._asked(lambda: self._host.mark_outdated(pull, posted, newer_sha))

    async def close(self) -> None:
        await self._host.close()

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        await self._breaker.expect_unlimited(Service.HOST)
        try:
            return await ask()
        except HostRateLimited as limit:
            await self._breaker.limited(limit)
            raise


@dataclass(frozen=True, slots=True)
class _Considerate:
    """A permit, with a look whether the host was heard to want to be left alone while the turn was waited for."""

    permit: Permit
    breaker: Breaker

    async def turn(self) -> None:
        await self.permit.turn()

    async def begin(self) -> None:
        await self.breaker.expect_unlimited(Service.HOST)
        await self.permit.begin()
