"""A stand-in for GitHub on loopback: REST under /api/v3, git under /git, both behind one token.

Faults are ordered through `faults`; whatever was asked is in `requests`, in order of their answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prreview_cli.core.ports.clock import Clock
from prreview_cli.trials.simulators import github_app, github_routes, small_project, webhooks
from prreview_cli.trials.simulators.faults import Answer, Delay, Effect, Fault, Hold, LandLater, LoseAnswer, Reset
from prreview_cli.trials.simulators.git_server import GitServer
from prreview_cli.trials.simulators.github_app import GitHubApp
from prreview_cli.trials.simulators.github_desk import Desk
from prreview_cli.trials.simulators.github_shapes import Shapes
from prreview_cli.trials.simulators.github_state import Hosted, Pull, StoredReview, World
from prreview_cli.trials.simulators.http import Cut, Request, Response
from prreview_cli.trials.simulators.loopback import Loopback, Watch
from prreview_cli.trials.simulators.moments import Moment, Observer, What, unobserved
from prreview_cli.trials.simulators.repository import Commit, GitRepository, build, grow

API, GIT = "/api/v3", "/git"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it was answered. `route` is its name in SPEC, "git", or "" for one that a reviewer has no
    business with; `status` 0 means that no answer reached the client. `at` is monotonic."""

    at: float
    method: str
    path: str
    route: str
    status: int
    body: bytes


@dataclass(slots=True)
class CodeHost:
    """Use it as a context manager, sync or async; change its world from any thread between requests.

    `folder` receives the bare repositories. `token` is the one that works, for `login`; with `add_app` those of an App do too.
    """

    folder: Path
    clock: Clock
    token: str
    login: str = "prreview-bot"
    observer: Observer = unobserved
    scopes: str | None = None
    faults: list[Fault] = field(default_factory=list)
    requests: list[Seen] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)
    world: World = field(init=False)
    _server: Loopback = field(init=False)
    _desk: Desk = field(init=False)
    _git: GitServer = field(default_factory=GitServer)
    _later: set[asyncio.Task[Response]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.world = World({self.token: self.login}, self.scopes)
        self._server = Loopback(self._handle, "code-host")

    # -- running -------------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        """For `host.api_url`."""
        return self._server.url + API

    @property
    def git_url(self) -> str:
        """For `host.git_url`."""
        return self._server.url + GIT

    @property
    def shapes(self) -> Shapes:
        """The JSON shapes with this host's addresses."""
        return Shapes(self.api_url, self.git_url)

    def __enter__(self) -> Self:
        self._server.start()
        self._desk = Desk(self.world, self.shapes, self.clock)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.stop()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.__exit__(kind, error, trace)

    # -- the world -----------------------------------------------------------------------------------

    def add_repository(self, name: str, pulls: int = 1, git: GitRepository | None = None) -> Hosted:
        """A repository with the small project and that many pull requests, or with those in `git`."""
        identity, now = next(self.world.ids), self.clock.now()
        hosted = Hosted(identity, name, git or build(self.folder / f"{identity}.git", pulls), now)
        self.world.repositories[identity] = hosted
        heads, base = hosted.git.refs("refs/pull/"), hosted.base_tip()
        for number in range(1, pulls + 1):
            self._open(hosted, number, heads[f"refs/pull/{number}/head"], base)
        return hosted

    def add_pulls(self, hosted: Hosted, numbers: Sequence[int]) -> None:
        """Open pull requests with these numbers in a repository with the small project."""
        base = hosted.base_tip()
        for number, head in grow(hosted.git, numbers).items():
            self._open(hosted, number, head, base)

    def push(self, hosted: Hosted, number: int, files: dict[str, str | bytes | None] | None = None, *, force: bool = False) -> str:
        """A new head of a pull request; `force` puts it beside the former one instead of on top. Its id."""
        pull = hosted.pulls[number]
        parent = hosted.git.merge_base(hosted.base_tip(), pull.head_sha) if force else pull.head_sha
        change = files or {f"examples/pushed_{pull.head_sha[:8]}.py": f"PUSHED_AFTER = {pull.head_sha!r}\n"}
        (pull.head_sha,) = hosted.git.make([Commit(f"refs/pull/{number}/head", parent, "Another try\n", change)])
        self.touch(pull)
        return pull.head_sha

    def touch(self, pull: Pull, **changes: Any) -> None:
        """Change a pull request (`state="closed"`, `draft=True`) and the time of its last change."""
        for name, value in changes.items():
            setattr(pull, name, value)
        pull.updated_at = self.clock.now()

    def rename(self, hosted: Hosted, name: str) -> None:
        """Rename a repository; its former name answers 301."""
        self.world.former_names[hosted.name.lower()] = hosted.id
        hosted.name = name

    def replace(self, hosted: Hosted) -> None:
        """Delete a repository and create it anew under its name: the same content, another numeric id."""
        del self.world.repositories[hosted.id]
        hosted.id = next(self.world.ids)
        self.world.repositories[hosted.id] = hosted

    def revoke_token(self) -> None:
        """From now on the token is nobody's."""
        self.world.tokens.clear()

    def restore_token(self) -> None:
        """The token works again."""
        self.world.tokens[self.token] = self.login

    def add_app(self, app_id: int, slug: str, public_key: str) -> GitHubApp:
        """An App, installed on all repositories."""
        self.world.app = GitHubApp(app_id, slug, public_key)
        return self.world.app

    def reviews(self) -> list[StoredReview]:
        """All submitted reviews of all repositories."""
        return [
            review for hosted in tuple(self.world.repositories.values()) for review in tuple(hosted.reviews) if review.state != "PENDING"
        ]

    def delivery(self, hosted: Hosted, number: int, secret: str, action: str = "opened", **more: Any) -> webhooks.Delivery:
        """A signed webhook about a pull request as it is now."""
        return webhooks.signed(webhooks.pull_request_payload(self.shapes, hosted, hosted.pulls[number], action, **more), secret)

    def _open(self, hosted: Hosted, number: int, head: str, base: str) -> None:
        change, now = small_project.pull_request(number), self.clock.now()
        hosted.pulls[number] = Pull(number, change.title, change.body, "ada", "MEMBER", f"change-{number}", head, base, now, now)

    # -- answering -----------------------------------------------------------------------------------

    async def _handle(self, request: Request) -> Response:
        effect = next((fault.effect for fault in self.faults if fault.befalls(request)), None)
        if isinstance(effect, LandLater):
            task = asyncio.get_running_loop().create_task(self._land(request, effect))
            self._later.add(task)
            task.add_done_callback(self._later.discard)
        if isinstance(effect, Reset | LandLater):
            self._note(request, "", 0)
            raise Cut
        return await self._answer(request, effect)

    async def _land(self, request: Request, effect: LandLater) -> Response:
        await effect.gate.pass_through()
        return await self._answer(request, None)

    async def _answer(self, request: Request, effect: Effect | None) -> Response:
        match effect:
            case Answer(response):
                self._note(request, "", response.status)
                return response
            case Delay(seconds):
                await self.clock.sleep(seconds)
            case Hold(gate):
                await gate.pass_through()
        if request.path.startswith(f"{GIT}/"):
            route, response = "git", await self._answer_git(request)
        else:
            route, response = await self._answer_api(request)
        lost = isinstance(effect, LoseAnswer)
        self._note(request, route, 0 if lost else response.status)
        if lost:
            raise Cut
        return response

    async def _answer_git(self, request: Request) -> Response:
        name, _, service = request.path.removeprefix(f"{GIT}/").partition(".git/")
        hosted = self.world.named(name)
        tokens, ours = set(self.world.tokens), self.world.app
        if ours is not None and hosted is not None:
            now = self.clock.now()
            tokens |= {token for token in ours.minted if ours.opens(token, hosted, now, "contents")}
        return await self._git.answer(request, None if hosted is None else hosted.git.path, service, frozenset(tokens))

    async def _answer_api(self, request: Request) -> tuple[str, Response]:
        inner = Request(request.method, request.path.removeprefix(API), request.query_string, request.headers, request.body)
        found = github_routes.find(inner)
        login = github_app.bearer(self.world, request, found.route, github_routes.repository_of(self.world, found), self.clock.now())
        if isinstance(login, Response):
            return found.route, login
        review = None if found.number is None else f"{found.repository}#{found.number}"
        self._observe(review, What.PULL_READ if found.route == github_routes.PULL_READ else What.ASKED)
        response = await github_routes.answer(self._desk, found, inner, login)
        posted = found.route == github_routes.REVIEW_POSTED and response.status == 200
        self._observe(review, What.POSTED if posted else What.ANSWERED)
        return found.route, response

    def _observe(self, review: str | None, what: What) -> None:
        if review is not None:
            self.observer(Moment(self.clock.monotonic(), review, what))

    def _note(self, request: Request, route: str, status: int) -> None:
        self.requests.append(Seen(self.clock.monotonic(), request.method, request.path, route, status, request.body))
        self.watch.notify()
