"""The promises of `core.ports.host.CodeHost`, kept by each adapter against a stand-in of its host."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import get_args

import httpx
import pytest
import respx

from prreview_cli.core import errors
from prreview_cli.core.ports.host import CodeHost, PullRequest, SeenRepository
from prreview_cli.core.profile import Host
from prreview_cli.core.retry import RESPONSES, Response
from prreview_cli.hosts.github import markup
from prreview_cli.hosts.github.app import AppAccess
from prreview_cli.hosts.github.auth import Access, TokenAccess
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.secrecy import Secret
from support.clocks import FakeClock
from support.fakes import at_once
from support.github_app import APP_ID, AppWorld, private_key
from support.github_world import API, BASE_TIP, HEAD, MERGE_BASE, REVIEW, TOKEN, GitHubWorld

BODY = markup.post(REVIEW).body
CLOSED = get_args(errors.NoAccess)
BY_TOKEN = pytest.mark.parametrize("world", ["token"], indirect=True)
"""For promises about many pages of a route that is the same by either kind of `host.auth`: they take their time."""


@pytest.fixture(params=["token", "app"])
def world(request: pytest.FixtureRequest) -> GitHubWorld:
    """The same promises by either kind of `host.auth`."""
    world = GitHubWorld()
    if request.param == "app":
        world.app = AppWorld(FakeClock().now, lambda: {world.repository_id: world.full_name})
    return world


@pytest.fixture
async def host(world: GitHubWorld) -> AsyncIterator[CodeHost]:
    config, clock = Host(api_url=API), FakeClock()
    access: Access = TokenAccess(lambda: Secret(TOKEN))
    if world.app is not None:
        config = replace(config, auth="app", app_id=APP_ID, repositories=("octo/demo", "acme/*"))
        access = AppAccess(config, lambda: Secret(private_key()), clock, str, lambda _name, _token: None)
    with respx.mock(assert_all_called=False) as router:
        router.route(host="api.github.test").mock(side_effect=world)
        github = GitHubHost(config, access, "test", clock, lambda text: text.replace(TOKEN, "***"))
        yield github
        await github.close()


async def live(host: CodeHost) -> PullRequest:
    return await host.pull_request(7, "octo/demo", 3)


def posts(world: GitHubWorld) -> int:
    return sum(method == "POST" and path.endswith("/reviews") for method, path in world.seen)


# -- who we are ------------------------------------------------------------------------------------------


async def test_it_knows_its_own_login(world: GitHubWorld, host: CodeHost) -> None:
    assert await host.identify() == world.ours


async def test_a_dead_token_is_told_from_everything_else(world: GitHubWorld, host: CodeHost) -> None:
    world.next_answer("GET", "/app" if world.app else "/user", httpx.Response(401, json={"message": "Bad credentials"}))
    with pytest.raises((errors.HostTokenRejected, errors.AppKeyRejected), match="Bad credentials"):
        await host.identify()


# -- the pull request ------------------------------------------------------------------------------------


async def test_the_pull_request_is_as_it_is_now(world: GitHubWorld, host: CodeHost) -> None:
    pull = await live(host)
    assert (pull.repository_id, pull.repository, pull.number) == (7, "octo/demo", 3)
    assert (pull.head_sha, pull.base_sha, pull.base_ref) == (HEAD, BASE_TIP, "main")
    assert (pull.open, pull.draft, pull.author, pull.author_association) == (True, False, "alice", "MEMBER")
    world.pull = {"state": "closed", "draft": True, "title": "New", "body": None, "user": {"login": "dependabot[bot]"}}
    pull = await live(host)
    assert (pull.open, pull.draft, pull.title, pull.body, pull.author) == (False, True, "New", "", "dependabot[bot]")


async def test_a_repository_that_took_the_name_is_another_one(world: GitHubWorld, host: CodeHost) -> None:
    world.repository_id = 8
    with pytest.raises(errors.RepositoryReplaced, match="octo/demo now names the repository 8"):
        await live(host)


async def test_a_renamed_repository_is_found_by_its_id(world: GitHubWorld, host: CodeHost) -> None:
    await live(host)
    world.old_names, world.full_name = {"octo/demo"}, "octo/renamed"
    pull = await live(host)
    assert pull.repository == "octo/renamed"
    assert await host.merge_base(pull) == MERGE_BASE


async def test_a_name_that_leads_nowhere_is_tried_by_its_id(world: GitHubWorld, host: CodeHost) -> None:
    await live(host)
    world.full_name = "other/demo"
    assert (await live(host)).repository == "other/demo"


async def test_a_repository_that_is_gone_concerns_itself_alone(host: CodeHost) -> None:
    with pytest.raises(CLOSED):
        await host.pull_request(99, "octo/gone", 3)


async def test_a_pull_request_that_is_gone_or_hidden_ends_alone_and_not_with_its_repository(world: GitHubWorld, host: CodeHost) -> None:
    gone = httpx.Response(404, json={"message": "Not Found"})
    world.next_answer("GET", world.pulls, gone, gone)
    with pytest.raises(errors.PullRequestGone, match="octo/demo#3"):
        await live(host)
    assert RESPONSES[errors.PullRequestGone] is Response.END
    assert (await live(host)).number == 3


async def test_a_pull_request_can_be_asked_for_by_its_name_alone(world: GitHubWorld, host: CodeHost) -> None:
    assert (await host.pull_request(None, "octo/demo", 3)).repository_id == 7
    with pytest.raises(CLOSED):
        await host.pull_request(None, "octo/gone", 3)
    world.old_names = {"octo/old"}
    with pytest.raises(CLOSED, match="another name"):
        await host.pull_request(None, "octo/old", 3)


async def test_the_merge_base_is_the_hosts_or_unknown(world: GitHubWorld, host: CodeHost) -> None:
    pull = await live(host)
    path = f"/repos/octo/demo/compare/{BASE_TIP}...{HEAD}"
    assert await host.merge_base(pull) == MERGE_BASE
    world.next_answer("GET", path, httpx.Response(404, json={"message": "No common ancestor"}))
    assert await host.merge_base(pull) is None
    for too_much_for_the_host in (500, 502, 503, 504):
        world.next_answer("GET", path, httpx.Response(too_much_for_the_host))
        assert await host.merge_base(pull) is None, "git finds it, and tells an outage from a comparison that takes too long"


async def test_only_those_who_may_write_may_write(world: GitHubWorld, host: CodeHost) -> None:
    world.permissions = {"alice": ("admin", "admin"), "bob": ("write", "maintain"), "carol": ("read", "triage")}
    pull = await live(host)
    assert [await host.may_write(pull, login) for login in ("alice", "bob", "carol", "mallory")] == [True, True, False, False]


async def test_a_refused_question_admits_nobody_but_a_rate_limit_is_no_answer(world: GitHubWorld, host: CodeHost) -> None:
    pull = await live(host)
    path = "/repos/octo/demo/collaborators/alice/permission"
    world.next_answer("GET", path, httpx.Response(403, json={"message": "Resource not accessible"}))
    assert not await host.may_write(pull, "alice")
    world.next_answer("GET", path, httpx.Response(403, headers={"retry-after": "5"}))
    with pytest.raises(errors.HostRateLimited):
        await host.may_write(pull, "alice")


# -- our reviews -----------------------------------------------------------------------------------------


async def test_our_reviews_are_ours_submitted_and_marked(world: GitHubWorld, host: CodeHost) -> None:
    first = world.add_review(BODY)
    world.add_review(BODY, login="mallory")
    world.add_review(BODY, login=None)
    world.add_review(BODY, state="PENDING")
    world.add_review("looks good")
    second = world.add_review(markup.outdated(BODY, markup.marker_of(REVIEW), "d" * 40), login=world.ours.upper())
    found = await host.our_reviews(await live(host))
    assert [(review.review_id, review.outdated) for review in found] == [(str(first["id"]), False), (str(second["id"]), True)]
    assert found[0].marker == markup.marker_of(REVIEW)
    assert found[0].commit_sha == HEAD


@BY_TOKEN
@pytest.mark.parametrize("link_headers", [True, False])
@pytest.mark.parametrize("others", [99, 100, 199, 250])
async def test_all_pages_are_looked_through(world: GitHubWorld, host: CodeHost, others: int, *, link_headers: bool) -> None:
    world.link_headers = link_headers
    for _ in range(others):
        world.add_review("a comment", login="alice")
    world.add_review(BODY)
    assert len(await host.our_reviews(await live(host))) == 1
    assert not any("evil" in path for _, path in world.seen), "a page's address is never taken from the answer"


async def test_reviews_without_end_are_not_taken_for_all(world: GitHubWorld, host: CodeHost) -> None:
    path = "/repos/octo/demo/pulls/3/reviews"
    pull = await live(host)
    world.next_answer("GET", path, *[httpx.Response(200, json=[], headers={"link": '<x>; rel="next"'}) for _ in range(110)])
    with pytest.raises(errors.HostUnreachable, match="more reviews"):
        await host.our_reviews(pull)


@BY_TOKEN
async def test_a_stranger_cannot_hide_ours_behind_the_longest_reviews_there_can_be(world: GitHubWorld, host: CodeHost) -> None:
    for _ in range(99):
        world.reviews.append({"id": len(world.reviews) + 1, "user": {"login": "mallory"}, "body": "\N{PILE OF POO}" * 65_536})
    world.add_review(BODY)
    path = f"{world.pulls}/reviews"
    world.next_answer("GET", path, *[lambda request: world._page(request, world.reviews)] * 2)  # past the schema: it takes its time
    assert len(await host.our_reviews(await live(host))) == 1


async def test_an_id_that_no_request_could_name_is_not_read(world: GitHubWorld, host: CodeHost) -> None:
    world.add_review(BODY)["id"] = 2**53
    with pytest.raises(errors.HostUnreachable, match="could not be read"):
        await host.our_reviews(await live(host))


# -- listing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link_headers", [True, False])
@pytest.mark.parametrize("others", [0, 99, 250])
async def test_all_repositories_are_listed_but_the_archived(world: GitHubWorld, host: CodeHost, others: int, *, link_headers: bool) -> None:
    world.link_headers = link_headers
    world.others = [{"id": 100 + place, "full_name": f"acme/r{place}", "archived": place % 2 == 1} for place in range(others)]
    seen = await host.repositories()
    assert seen[0] == SeenRepository(7, "octo/demo")
    assert [each.id for each in seen[1:]] == list(range(100, 100 + others, 2))


@BY_TOKEN
@pytest.mark.parametrize("link_headers", [True, False])
@pytest.mark.parametrize("others", [0, 49, 50, 120])
async def test_open_pull_requests_come_over_all_pages(world: GitHubWorld, host: CodeHost, others: int, *, link_headers: bool) -> None:
    world.link_headers = link_headers
    world.more_pulls = [world.pull_json() | {"number": number, "draft": True} for number in range(4, 4 + others)]
    seen = [pull async for pull in host.open_pull_requests("octo/demo")]
    assert seen[0] == await live(host)
    assert [(pull.number, pull.draft) for pull in seen[1:]] == [(number, True) for number in range(4, 4 + others)]
    assert not any("evil" in path for _, path in world.seen)


async def test_what_came_before_a_failing_page_is_known(world: GitHubWorld, host: CodeHost) -> None:
    path = "/repos/octo/demo/pulls"
    first_page = [world.pull_json() | {"number": number} for number in range(3, 53)]
    world.next_answer("GET", path, httpx.Response(200, json=first_page), httpx.Response(502))
    pulls = host.open_pull_requests("octo/demo")
    assert [(await anext(pulls)).number for _ in range(50)] == list(range(3, 53))
    with pytest.raises(errors.HostUnreachable):
        await anext(pulls)


async def test_a_repository_that_moved_or_is_gone_is_refused_by_name(world: GitHubWorld, host: CodeHost) -> None:
    world.old_names = {"octo/old"}
    for name, said in (("octo/old", "octo/old has another name now"), ("octo/gone", "404")):
        with pytest.raises(CLOSED, match=said):
            _ = [pull async for pull in host.open_pull_requests(name)]


async def test_pull_requests_without_end_are_not_taken_for_all(world: GitHubWorld, host: CodeHost) -> None:
    path = "/repos/octo/demo/pulls"
    world.next_answer("GET", path, *[httpx.Response(200, json=[], headers={"link": '<x>; rel="next"'}) for _ in range(201)])
    with pytest.raises(errors.HostUnreachable, match="more open pull requests"):
        _ = [pull async for pull in host.open_pull_requests("octo/demo")]


# -- posting ---------------------------------------------------------------------------------------------


async def test_a_review_is_posted_in_one_call_on_its_commit(world: GitHubWorld, host: CodeHost) -> None:
    pull = await live(host)
    before = len(world.seen)
    review_id = await host.publish(pull, REVIEW, at_once)
    assert world.seen[before:] == [("POST", "/repos/octo/demo/pulls/3/reviews")]
    assert world.bodies[-1] == markup.post(REVIEW).to_json()
    assert (world.bodies[-1]["event"], world.bodies[-1]["commit_id"]) == ("COMMENT", HEAD)
    (found,) = await host.our_reviews(pull)
    assert found.review_id == review_id
    assert found.marker == markup.marker_of(REVIEW)


async def test_a_pending_review_of_ours_makes_way_and_one_of_others_does_not(world: GitHubWorld, host: CodeHost) -> None:
    pull = await live(host)
    ours = world.add_review("left over", state="PENDING")
    theirs = world.add_review("theirs", state="PENDING", login="alice")
    refusal = {"message": "Unprocessable Entity", "errors": ["User can only have one pending review per pull request"]}
    world.next_answer("POST", "/repos/octo/demo/pulls/3/reviews", httpx.Response(422, json=refusal))
    await host.publish(pull, REVIEW, at_once)
    assert ours not in world.reviews
    assert theirs in world.reviews
    assert posts(world) == 2


async def test_a_review_that_the_host_refuses_is_refused_with_its_reason(world: GitHubWorld, host: CodeHost) -> None:
    pull = await live(host)
    refusal = {"message": "Unprocessable Entity", "errors": ["Line could not be resolved"]}
    world.next_answer("POST", "/repos/octo/demo/pulls/3/reviews", httpx.Response(422, json=refusal))
    with pytest.raises(errors.PostRefused, match="Line could not be resolved"):
        await host.publish(pull, REVIEW, at_once)
    assert posts(world) == 1


TOO_FAST = {"resource": "PullRequestReview", "code": "abuse", "field": "base"}
LOST = [
    httpx.ReadTimeout("timed out"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.RemoteProtocolError("cut short"),
    httpx.Response(500),
    httpx.Response(502),
    httpx.Response(504, json={"message": "timeout"}),
    httpx.Response(200, text="<html>a proxy's page</html>"),
    httpx.Response(200, json={}),
    httpx.Response(201, json={"id": 0}),
    httpx.Response(204),
]


@pytest.mark.parametrize("answer", LOST, ids=repr)
async def test_a_post_whose_answer_is_lost_may_have_landed(world: GitHubWorld, host: CodeHost, answer: httpx.Response | Exception) -> None:
    pull = await live(host)
    world.next_answer("POST", "/repos/octo/demo/pulls/3/reviews", answer)
    with pytest.raises(errors.AmbiguousPost):
        await host.publish(pull, REVIEW, at_once)
    assert posts(world) == 1, "a write is never retried here"


async def test_an_answer_about_another_commit_is_no_answer(world: GitHubWorld, host: CodeHost) -> None:
    pull = await live(host)
    world.next_answer("POST", "/repos/octo/demo/pulls/3/reviews", httpx.Response(200, json={"id": 5, "commit_id": "d" * 40}))
    with pytest.raises(errors.AmbiguousPost, match="another commit"):
        await host.publish(pull, REVIEW, at_once)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.ConnectError("refused"), errors.HostUnreachable),
        (httpx.ConnectTimeout("too late"), errors.HostUnreachable),
        (httpx.Response(401), errors.HostTokenRejected),
        (httpx.Response(403), errors.RepositoryForbidden),
        (httpx.Response(404), errors.RepositoryForbidden),
        (httpx.Response(403, headers={"retry-after": "60"}), errors.HostRateLimited),
        (httpx.Response(429), errors.HostRateLimited),
        (httpx.Response(307, headers={"location": "https://evil.test"}), errors.HostUnreachable),
        (httpx.Response(400), errors.PostRefused),
        (httpx.Response(422, json={"message": "Validation Failed", "errors": [TOO_FAST]}), errors.HostRateLimited),
    ],
    ids=repr,
)
async def test_a_post_that_cannot_have_landed_is_not_ambiguous(
    world: GitHubWorld, host: CodeHost, answer: httpx.Response | Exception, expected: type[errors.Failure]
) -> None:
    pull = await live(host)
    before = posts(world)
    refused_twice = world.app is not None and expected is errors.HostTokenRejected
    world.next_answer("POST", "/repos/octo/demo/pulls/3/reviews", answer, *([answer] if refused_twice else []))
    with pytest.raises(errors.Failure) as caught:
        await host.publish(pull, REVIEW, at_once)
    assert type(caught.value) is (errors.AppKeyRejected if refused_twice else expected)
    assert posts(world) - before == (2 if refused_twice else 1), "a second time with a token minted anew, and no more"


async def test_another_pull_requests_review_is_refused_before_the_network(world: GitHubWorld, host: CodeHost) -> None:
    pull = await live(host)
    before = len(world.seen)
    for other in (replace(REVIEW, repository_id=8), replace(REVIEW, number=4)):
        with pytest.raises(errors.RepositoryReplaced):
            await host.publish(pull, other, at_once)
    with pytest.raises(errors.PostRefused, match="'prod'"):
        await host.publish(pull, replace(REVIEW, environment="prod"), at_once)
    assert len(world.seen) == before


async def test_an_earlier_review_is_marked_once(world: GitHubWorld, host: CodeHost) -> None:
    world.add_review(BODY)
    pull = await live(host)
    (posted,) = await host.our_reviews(pull)
    await host.mark_outdated(pull, posted, "d" * 40)
    (marked,) = await host.our_reviews(pull)
    assert marked.outdated
    assert marked.marker == posted.marker
    before = len(world.seen)
    await host.mark_outdated(pull, marked, "e" * 40)
    assert len(world.seen) == before


async def test_a_review_that_somebody_removed_needs_no_mark(world: GitHubWorld, host: CodeHost) -> None:
    world.add_review(BODY)
    pull = await live(host)
    (posted,) = await host.our_reviews(pull)
    world.reviews.clear()
    await host.mark_outdated(pull, posted, "d" * 40)


# -- every question ----------------------------------------------------------------------------------------

READS = {
    "pull_request": ("/repos/octo/demo/pulls/3", lambda host, pull: host.pull_request(7, "octo/demo", 3)),
    "merge_base": (f"/repos/octo/demo/compare/{BASE_TIP}...{HEAD}", lambda host, pull: host.merge_base(pull)),
    "may_write": ("/repos/octo/demo/collaborators/alice/permission", lambda host, pull: host.may_write(pull, "alice")),
    "our_reviews": ("/repos/octo/demo/pulls/3/reviews", lambda host, pull: host.our_reviews(pull)),
    "repositories": ("/user/repos", lambda host, pull: host.repositories()),
    "open_pull_requests": ("/repos/octo/demo/pulls", lambda host, pull: anext(host.open_pull_requests(pull.repository))),
}


@pytest.mark.parametrize("question", READS)
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.ConnectError("refused"), errors.HostUnreachable),
        (httpx.ReadTimeout("late"), errors.HostUnreachable),
        (httpx.RemoteProtocolError("cut"), errors.HostUnreachable),
        (httpx.Response(200, text="<html>"), errors.HostUnreachable),
        (httpx.Response(200, content=b"[" * 100_000), errors.HostUnreachable),
        (httpx.Response(409), errors.HostUnreachable),
        (httpx.Response(401, json={"message": f"Bad credentials {TOKEN}"}), errors.HostTokenRejected),
        (httpx.Response(429, json={"message": TOKEN}), errors.HostRateLimited),
    ],
    ids=repr,
)
async def test_a_question_without_a_good_answer_is_a_named_failure(
    world: GitHubWorld, host: CodeHost, question: str, answer: httpx.Response | Exception, expected: type[errors.Failure]
) -> None:
    pull = await live(host)
    await host.identify()
    path, ask = READS[question]
    refused_twice = world.app is not None and expected is errors.HostTokenRejected
    if world.app is not None:
        path = path.replace("/user/repos", "/installation/repositories")
    world.next_answer("GET", path, answer, *([answer] if refused_twice else []))
    with pytest.raises(errors.Failure) as caught:
        await ask(host, pull)
    assert type(caught.value) is (errors.AppKeyRejected if refused_twice else expected)
    assert TOKEN not in f"{caught.value}{caught.value.remedy}{caught.value.__cause__!r}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("question", [name for name in READS if name != "merge_base"])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_host_that_fails_is_unreachable(world: GitHubWorld, host: CodeHost, question: str, status: int) -> None:
    pull = await live(host)
    await host.identify()
    path, ask = READS[question]
    if world.app is not None:
        path = path.replace("/user/repos", "/installation/repositories")
    world.next_answer("GET", path, httpx.Response(status))
    with pytest.raises(errors.HostUnreachable):
        await ask(host, pull)


async def test_no_other_route_is_ever_asked(world: GitHubWorld, host: CodeHost) -> None:
    world.add_review(BODY)
    await host.identify()
    pull = await live(host)
    await host.merge_base(pull)
    await host.may_write(pull, "alice")
    (posted,) = await host.our_reviews(pull)
    await host.publish(pull, REVIEW, at_once)
    await host.mark_outdated(pull, posted, "d" * 40)
    allowed = re.compile(
        r"GET /user|GET /repos/octo/demo/(pulls/3(/reviews)?|compare/\S+|collaborators/alice/permission)|POST /repos/octo/demo/pulls/3/reviews"
        r"|PUT /repos/octo/demo/pulls/3/reviews/\d+"
    )
    of_app = re.compile(r"GET /app|GET /repos/octo/demo/installation|POST /app/installations/\d+/access_tokens")
    for (method, path), headers in zip(world.seen, world.headers, strict=True):
        asked = f"{method} {path}"
        if world.app is not None and of_app.fullmatch(asked):
            continue
        assert allowed.fullmatch(asked)
        assert headers["authorization"].removeprefix("Bearer ") in (world.app.minted if world.app else {TOKEN})
