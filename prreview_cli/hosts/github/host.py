"""The code host's port for GitHub: which requests answer a question, and what their answers mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from prreview_cli.core import errors, marker
from prreview_cli.core.ports.clock import Clock
from prreview_cli.core.ports.host import Permit, PostedReview, PullRequest, SeenRepository
from prreview_cli.core.profile import Host
from prreview_cli.core.review import Review
from prreview_cli.hosts.github import answers, markup, requests
from prreview_cli.hosts.github.answers import StoredReview
from prreview_cli.hosts.github.auth import Access, Lent, Place
from prreview_cli.hosts.github.client import Answer, GitHubClient, LastLook, NoAnswer
from prreview_cli.hosts.github.failures import failure, is_rate_limit, reason
from prreview_cli.hosts.github.pacing import pace_of
from prreview_cli.hosts.github.paging import Pages, has_next
from prreview_cli.hosts.github.requests import Request, Route

T = TypeVar("T")

ACTIONS_LOGIN = "github-actions[bot]"
MOST_PULLS_PAGES = 200
MOST_REVIEWS_PAGES = 100
_MOVED = frozenset({301, 302, 307, 308})
_HARMLESS_SCOPES = frozenset({"user:email"})


class GitHubHost:
    """`CodeHost` for GitHub. `config` is the profile's [host]; `environment` must be that of every review posted here.

    `access` is asked before each request, and closed with us. `redact` is applied to what the host says before it is told.
    """

    def __init__(self, config: Host, access: Access, environment: str, clock: Clock, redact: Callable[[str], str]) -> None:
        self._client = GitHubClient(config.api_url)
        self._access = access
        self._of_app = access.who.route is Route.APP
        self._git_url = config.git_url.rstrip("/")
        self.pace = pace_of(config.writes_apart_s)
        self._configured_login = config.login
        self._environment = environment
        self._clock = clock
        self._redact = redact
        self._login: str | None = None
        self._guessed = False

    async def close(self) -> None:
        await self._client.close()
        await self._access.close()

    # -- who we are --------------------------------------------------------------------------------

    async def identify(self) -> str:
        answer = await self._exchange(self._access.who)
        if self._of_app:
            slug = self._read(answers.app, self._signed(answer), "the App").slug
            self._login = self._agreed(f"{slug}[bot]")
            return self._login
        _refuse_wide(answer)
        if answer.status == 200:
            self._login, self._guessed = self._agreed(self._read(answers.account, answer, "who we are")), False
        elif answer.status in {403, 404} and not is_rate_limit(answer):
            # The tokens of Apps and of Actions may not ask who they are; that they live is asked elsewhere.
            await self._prove_alive()
            self._login, self._guessed = self._configured_login or ACTIONS_LOGIN, True
        else:
            raise self._failure(self._access.who, answer)
        return self._login

    def _signed(self, answer: Answer) -> Answer:
        """What the App asked for itself; whatever refuses it refuses its key."""
        if answer.status in {401, 403, 404} and not is_rate_limit(answer):
            told = f"The code host does not accept what the App's key signed ({answer.status}){reason(answer, self._redact)}."
            raise errors.AppKeyRejected(told)
        return self._good(self._access.who, answer)

    async def _prove_alive(self) -> None:
        request = requests.rate_limit()
        answer = await self._exchange(request)
        _refuse_wide(answer)
        if answer.status in {200, 404}:  # an Enterprise Server without rate limits answers 404
            return
        raised = self._failure(request, answer)
        raise errors.HostTokenRejected(str(raised)) if isinstance(raised, errors.NoAccess) else raised

    def _agreed(self, login: str) -> str:
        """A wrong `host.login` would hide our own reviews from us, and each head would be reviewed twice."""
        configured = self._configured_login
        if configured is not None and configured.lower() != login.lower():
            raise errors.HostTokenRejected(
                f"host.login is {configured!r}, but the token belongs to {login!r}.",
                remedy=f"Set host.login to {login!r} or leave it out, or set the other account's token; then run `prreview resume`.",
            )
        return login

    # -- reading -----------------------------------------------------------------------------------

    async def pull_request(self, repository_id: int | None, repository: str, number: int) -> PullRequest:
        place = await self._access.present(Place(repository_id, repository))
        request = requests.pull(place.name, number)
        answer = await self._exchange(request, place)
        if repository_id is not None and (answer.status in _MOVED or answer.status == 404):
            place = await self._renamed(Place(repository_id, place.name))
            request = requests.pull(place.name, number)
            answer = await self._exchange(request, place)
            if answer.status == 404:
                # Not the repository, which was just shown to us: GitHub hides what a flagged account has opened.
                raise errors.PullRequestGone(f"{place.name}#{number} is not there any more, though its repository is.")
        elif answer.status in _MOVED:
            raise errors.RepositoryForbidden(f"{repository} has another name now.", remedy="Give the repository's present name.")
        pull = self._read(answers.pull_request, self._good(request, answer), "the pull request")
        if repository_id not in {None, pull.repository_id}:
            raise errors.RepositoryReplaced(
                f"{repository} now names the repository {pull.repository_id}; the job is about {repository_id}, so nothing was done."
            )
        return pull

    async def merge_base(self, pull: PullRequest) -> str | None:
        request = requests.compare(pull.repository, pull.base_sha, pull.head_sha)
        answer = await self._exchange(request, _place(pull))
        if answer.status in {404, 500, 502, 503, 504} or (answer.status == 200 and not answer.body):
            # Unrelated or unknown to the route, a comparison that takes GitHub too long (its OpenAPI names 500 and 503 for
            # it), or an answer too large to keep. git finds it; and if the host is down, git says so.
            return None
        return self._read(answers.merge_base, self._good(request, answer), "the merge base")

    async def may_write(self, pull: PullRequest, login: str) -> bool:
        request = requests.permission(pull.repository, login)
        answer = await self._exchange(request, _place(pull))
        if answer.status in {403, 404} and not is_rate_limit(answer):
            return False  # no collaborator, or we may not know: nobody is admitted on a guess
        return self._read(answers.may_write, self._good(request, answer), "the author's permission")

    async def our_reviews(self, pull: PullRequest) -> list[PostedReview]:
        found: list[PostedReview] = []
        for review in await self._reviews_by_us(pull):
            body = review.body or ""
            ours = marker.parse(body)
            if review.state != "PENDING" and ours is not None:
                found.append(PostedReview(str(review.id), body, review.commit_id or "", ours, markup.is_outdated(body)))
        return found

    async def _reviews_by_us(self, pull: PullRequest) -> list[StoredReview]:
        login = self._login or await self.identify()
        found: list[StoredReview] = []
        # To stop at the last page as if these were all could mean to post a second time.
        pages = Pages(
            "reviews",
            lambda page: requests.reviews(pull.repository, pull.number, page),
            answers.reviews,
            size=requests.TEXTS_PAGE_SIZE,
            most=MOST_REVIEWS_PAGES,
        )
        async for listed in self._pages(pages, f"{pull.repository}#{pull.number}", _place(pull)):
            found += [review for review in listed if review.is_by(login)]
        return sorted(found, key=lambda review: review.id)

    # -- listing -----------------------------------------------------------------------------------

    async def repositories(self) -> list[SeenRepository]:
        asked = (requests.installed, answers.installed) if self._of_app else (requests.repositories, answers.repositories)
        pages, found = Pages("repositories", *asked), []
        for lent in await self._access.listings():
            found += [repository async for listed in self._pages(pages, "The token", lent) for repository in listed]
        return [repository for repository in found if repository is not None]

    async def open_pull_requests(self, repository: str) -> AsyncIterator[PullRequest]:
        pages = Pages(
            "open pull requests",
            lambda page: requests.open_pulls(repository, page),
            answers.pull_requests,
            size=requests.TEXTS_PAGE_SIZE,
            most=MOST_PULLS_PAGES,
            moved=f"{repository} has another name now.",
        )
        async for listed in self._pages(pages, repository, Place(None, repository)):
            for pull in listed:
                yield pull

    # -- writing -----------------------------------------------------------------------------------

    async def publish(self, pull: PullRequest, review: Review, permit: Permit) -> str:
        self._refuse_foreign(pull, review)
        request = requests.post_review(pull.repository, pull.number, markup.post(review))
        place = _place(pull)
        await self._access.to(place)  # minted now if it must be, so that no turn is lost by it
        answer = await self._post(request, place, permit)
        if answer.status == 422 and "pending review" in answers.complaint(answer.body).lower():
            await self._drop_pending(pull, permit)
            answer = await self._post(request, place, permit)
        self._good(request, answer)
        try:
            stored = answers.review(answer.body)
        except ValueError:
            raise _ambiguous("its answer could not be read") from None
        if stored.commit_id not in {None, review.reviewed_sha}:
            raise _ambiguous("its answer names another commit")
        self._see_that_it_is_found_again(stored)
        return str(stored.id)

    def _see_that_it_is_found_again(self, stored: StoredReview) -> None:
        """A token that may not ask who it is was taken for somebody: if wrongly, each look would miss what it posts."""
        if self._guessed and self._login is not None and stored.user is not None and not stored.is_by(self._login):
            author = stored.user.login[:100]
            raise errors.HostTokenRejected(
                f"The review was posted by {author!r}, and prreview looks for its reviews by {self._login!r}, so it would post it again.",
                remedy=f"Set host.login to {author!r}, then run `prreview resume`.",
            )

    def review_page(self, repository: str, number: int, review_id: str) -> str:
        return f"{self._git_url}/{repository}/pull/{number}#pullrequestreview-{review_id}"

    async def mark_outdated(self, pull: PullRequest, posted: PostedReview, newer_sha: str) -> None:
        if posted.outdated or markup.is_outdated(posted.body):
            return
        body = requests.NewBody(markup.outdated(posted.body, posted.marker, newer_sha))
        request = requests.edit_review(pull.repository, pull.number, int(posted.review_id), body)
        answer = await self._exchange(request, _place(pull))
        if answer.status not in {404, 422}:  # somebody removed it meanwhile: nothing is left to mark
            self._good(request, answer)

    async def _post(self, request: Request, place: Place, permit: Permit) -> Answer:
        await permit.turn()
        try:
            answer = await self._send(request, place, permit.begin)
        except NoAnswer as lost:
            if not lost.sent:
                raise _unreachable(lost) from None
            raise _ambiguous(f"its answer was lost ({lost})") from None
        if answer.status >= 500 or answer.status == 408:  # a proxy says 408 too, of what may have reached the host
            raise _ambiguous(f"the code host answered {answer.status}")
        return answer

    async def _drop_pending(self, pull: PullRequest, permit: Permit) -> None:
        """A pending review of ours, left by a person or an older program, would make the host refuse a new one."""
        for review in await self._reviews_by_us(pull):
            if review.state == "PENDING":
                await permit.turn()
                await permit.begin()
                request = requests.delete_pending(pull.repository, pull.number, review.id)
                answer = await self._exchange(request, _place(pull))
                if answer.status != 404:
                    self._good(request, answer)

    def _refuse_foreign(self, pull: PullRequest, review: Review) -> None:
        if review.environment != self._environment:
            raise errors.PostRefused(f"The review is of {review.environment!r}, not of {self._environment!r}; it is not posted.")
        if (pull.repository_id, pull.number) != (review.repository_id, review.number):
            raise errors.RepositoryReplaced(
                f"The review is of {review.repository_id}#{review.number}, not of {pull.repository_id}#{pull.number}; it is not posted."
            )

    # -- shared ------------------------------------------------------------------------------------

    async def _pages(self, pages: Pages[T], whose: str, by: Place | Lent) -> AsyncIterator[list[T]]:
        for page in range(1, pages.most + 1):
            request = pages.request(page)
            answer = await self._exchange(request, by)
            if pages.moved and answer.status in _MOVED:
                raise errors.RepositoryForbidden(pages.moved, remedy="Give the repository's present name.")
            listed = self._read(pages.reader, self._good(request, answer), f"the {pages.what}")
            yield listed
            if not has_next(answer, len(listed), pages.size):
                return
        raise errors.HostUnreachable(f"{whose} has more {pages.what} than {pages.most} pages; not all could be read.")

    async def _renamed(self, place: Place) -> Place:
        """The repository with this id, by its present name."""
        assert place.id is not None
        request = requests.repository(place.id)
        found = self._read(answers.repository, self._good(request, await self._exchange(request, place)), "the repository")
        if found.id != place.id:
            raise errors.RepositoryReplaced(f"The code host shows the repository {found.id} in the place of {place.id}.")
        return Place(found.id, found.full_name)

    async def _exchange(self, request: Request, by: Place | Lent | None = None) -> Answer:
        try:
            return await self._send(request, by)
        except NoAnswer as lost:
            raise _unreachable(lost) from None

    async def _send(self, request: Request, by: Place | Lent | None, last_look: LastLook | None = None) -> Answer:
        """One exchange with what opens that place (None: with what shows who we are); a second one, with another token,
        if the host refused the first for its token (401), and so did nothing."""
        place = by if isinstance(by, Place) else None
        lent = by if isinstance(by, Lent) else await (self._access.own() if place is None else self._access.to(place))
        lent.expect(request, place)
        answer = await self._client.send(request, lent.secret, last_look)
        if answer.status == 401 and place is not None and (another := await self._access.another(place, lent.secret)):
            another.expect(request, place)
            answer = await self._client.send(request, another.secret, last_look)
        return answer

    def _good(self, request: Request, answer: Answer) -> Answer:
        if 200 <= answer.status < 300:
            return answer
        raise self._failure(request, answer)

    def _failure(self, request: Request, answer: Answer) -> errors.Failure:
        raised = failure(request, answer, self._clock.now(), self._redact)
        rejected = type(raised) is errors.HostTokenRejected and self._of_app
        return errors.AppKeyRejected(str(raised)) if rejected else raised

    def _read(self, reader: Callable[[bytes], T], answer: Answer, what: str) -> T:
        try:
            return reader(answer.body)
        except ValueError:
            raise errors.HostUnreachable(f"The code host's answer could not be read as {what}.") from None


def _refuse_wide(answer: Answer) -> None:
    """A classic token shows its scopes; any of them that writes lets it do more than review. A fine-grained token shows none."""
    scopes = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")} - {""}
    wide = sorted(scope for scope in scopes - _HARMLESS_SCOPES if not scope.startswith("read:"))
    if wide:
        raise errors.HostTokenTooWide(f"The host token is a classic one that may do more than review: {', '.join(wide)[:200]}.")


def _place(pull: PullRequest) -> Place:
    return Place(pull.repository_id, pull.repository)


def _unreachable(lost: NoAnswer) -> errors.HostUnreachable:
    return errors.HostUnreachable(f"No whole answer came from the code host ({lost}).")


def _ambiguous(why: str) -> errors.AmbiguousPost:
    return errors.AmbiguousPost(f"The review was sent, but {why}; it may or may not stand on the pull request.")
