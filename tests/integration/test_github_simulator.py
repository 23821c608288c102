"""The adapter against the code host that `load-test` starts: real sockets, a real repository, faults to order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from prreview_cli.core import errors
from prreview_cli.core.events import PullRequestEvent
from prreview_cli.core.ports.host import PullRequest
from prreview_cli.core.profile import Host
from prreview_cli.core.review import Finding, Review, Severity, Side
from prreview_cli.hosts.github.auth import TokenAccess
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.hosts.github.webhook import GitHubWebhook
from prreview_cli.secrecy import Secret
from prreview_cli.trials.simulators import faults
from prreview_cli.trials.simulators.code_host import CodeHost
from prreview_cli.trials.simulators.faults import Fault
from prreview_cli.trials.simulators.github_state import Hosted
from support.fakes import at_once
from support.github_world import REVIEW
from support.simulators import TOKEN, MachineClock

SECRET = "a webhook secret of more than thirty-two bytes"
ROUTES = {
    "GET /user",
    "GET /user/repos",
    "GET /repos/O/R/pulls",
    "GET /repositories/ID",
    "GET /repos/O/R/pulls/N",
    "GET /repos/O/R/compare/BASE...HEAD",
    "GET /repos/O/R/collaborators/LOGIN/permission",
    "GET /repos/O/R/pulls/N/reviews",
    "POST /repos/O/R/pulls/N/reviews",
    "PUT /repos/O/R/pulls/N/reviews/ID",
    "DELETE /repos/O/R/pulls/N/reviews/ID",
}


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[CodeHost]:
    with CodeHost(tmp_path, MachineClock(), TOKEN) as simulator:
        yield simulator


@pytest.fixture
def shop(simulator: CodeHost) -> Hosted:
    return simulator.add_repository("octo/shop", pulls=3)


@pytest.fixture
async def host(simulator: CodeHost) -> AsyncIterator[GitHubHost]:
    host = GitHubHost(Host(api_url=simulator.api_url), TokenAccess(lambda: Secret(TOKEN)), "test", MachineClock(), lambda text: text)
    yield host
    await host.close()


async def reading(host: GitHubHost, shop: Hosted) -> tuple[PullRequest, Review]:
    pull = await host.pull_request(shop.id, "octo/shop", 3)
    anchored = (
        Finding("examples/example_3.py", 1, Severity.ERROR, "One", "On a new file.", suggestion="pass\n"),
        Finding("shop/orders.py", 19, Severity.WARNING, "Two", "On several lines.", start_line=17),
        Finding("shop/orders.py", 16, Severity.INFO, "Three", "On the base's side.", side=Side.LEFT),
    )
    about = replace(REVIEW, repository=pull.repository, repository_id=pull.repository_id, number=3, reviewed_sha=pull.head_sha)
    return pull, replace(about, findings=anchored)


async def test_a_review_goes_up_once_and_is_found_and_marked(simulator: CodeHost, shop: Hosted, host: GitHubHost) -> None:
    pull, review = await reading(host, shop)
    assert await host.merge_base(pull) == shop.git.merge_base("main", pull.head_sha)
    assert await host.may_write(pull, "a-stranger") is False
    review_id = await host.publish(pull, review, at_once)
    (posted,) = await host.our_reviews(pull)
    assert (posted.review_id, posted.commit_sha, posted.outdated) == (review_id, pull.head_sha, False)
    assert (posted.marker.identity.head_sha, posted.marker.counts) == (pull.head_sha, (1, 1, 1))
    await host.mark_outdated(pull, posted, simulator.push(shop, 3))
    (marked,) = await host.our_reviews(pull)
    assert (marked.outdated, marked.marker) == (True, posted.marker)
    assert {seen.route for seen in simulator.requests} <= ROUTES
    assert [seen.route for seen in simulator.requests].count("POST /repos/O/R/pulls/N/reviews") == 1


async def test_what_is_open_is_listed_by_repository(simulator: CodeHost, shop: Hosted, host: GitHubHost) -> None:
    simulator.add_repository("octo/bakery", pulls=0)
    shop.pulls[1].state, shop.pulls[2].draft = "closed", True
    assert [(each.id, each.name) for each in await host.repositories()][-1] == (shop.id, "octo/shop")
    assert [pull async for pull in host.open_pull_requests("octo/bakery")] == []
    draft, pull = [pull async for pull in host.open_pull_requests("octo/shop")]
    assert (draft.number, draft.draft) == (2, True)
    assert pull == await host.pull_request(shop.id, "octo/shop", 3)
    assert {seen.route for seen in simulator.requests} <= ROUTES


async def test_a_lost_answer_is_ambiguous_and_the_review_is_found(simulator: CodeHost, shop: Hosted, host: GitHubHost) -> None:
    pull, review = await reading(host, shop)
    simulator.faults.append(Fault("POST", "*/reviews", faults.LoseAnswer()))
    with pytest.raises(errors.AmbiguousPost):
        await host.publish(pull, review, at_once)
    assert len(await host.our_reviews(pull)) == 1


async def test_a_refused_connection_or_a_limit_leaves_nothing(simulator: CodeHost, shop: Hosted, host: GitHubHost) -> None:
    pull, review = await reading(host, shop)
    simulator.faults.append(Fault("POST", "*/reviews", faults.secondary_limit(7)))
    with pytest.raises(errors.HostRateLimited) as caught:
        await host.publish(pull, review, at_once)
    assert caught.value.retry_at is not None
    assert await host.our_reviews(pull) == []


async def test_an_anchor_outside_the_diff_is_refused_with_its_reason(shop: Hosted, host: GitHubHost) -> None:
    pull, review = await reading(host, shop)
    with pytest.raises(errors.PostRefused, match="Path could not be resolved"):
        await host.publish(pull, replace(review, findings=(replace(review.findings[0], path="README.md"),)), at_once)


async def test_a_renamed_repository_is_followed_and_a_replaced_one_is_not(simulator: CodeHost, shop: Hosted, host: GitHubHost) -> None:
    former = shop.id
    simulator.rename(shop, "octo/store")
    assert (await host.pull_request(former, "octo/shop", 3)).repository == "octo/store"
    simulator.replace(shop)
    with pytest.raises(errors.RepositoryReplaced):
        await host.pull_request(former, "octo/store", 3)


async def test_a_revoked_token_is_told_at_every_question(simulator: CodeHost, shop: Hosted, host: GitHubHost) -> None:
    pull, review = await reading(host, shop)
    simulator.revoke_token()
    for question in (
        host.identify(),
        host.pull_request(shop.id, "octo/shop", 3),
        host.our_reviews(pull),
        host.publish(pull, review, at_once),
    ):
        with pytest.raises(errors.HostTokenRejected):
            await question
    simulator.restore_token()
    assert await host.identify() == "prreview-bot"


async def test_its_webhooks_are_read_as_the_live_pull_request(simulator: CodeHost, shop: Hosted, host: GitHubHost) -> None:
    delivery = simulator.delivery(shop, 3, SECRET, "synchronize")
    headers = {name.lower().encode(): value.encode() for name, value in delivery.headers.items()}
    webhook = GitHubWebhook(lambda: [Secret(SECRET)])
    assert webhook.authentic(delivery.body, headers)
    event, pull = webhook.read(delivery.body, headers), await host.pull_request(shop.id, "octo/shop", 3)
    assert isinstance(event, PullRequestEvent)
    assert (event.repository_id, event.repository, event.number, event.head_sha) == (shop.id, "octo/shop", 3, pull.head_sha)
    assert (event.updated_at, event.author, event.author_association) == (pull.updated_at, pull.author, pull.author_association)
    assert webhook.delivery_id(headers) == delivery.id
