"""A GitHub App's tokens: each for one repository, no wider than asked for, and never used for another (THREATS 17)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import httpx
import pytest
import respx

from prreview_cli.core import errors
from prreview_cli.core.profile import Host
from prreview_cli.hosts import git_token
from prreview_cli.hosts.github.app import AppAccess
from prreview_cli.hosts.github.auth import Place
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.secrecy import Secret
from support.clocks import FakeClock
from support.fakes import at_once
from support.github_app import APP_ID, DECLARED, AppWorld, private_key
from support.github_world import API, PULL, REVIEW, GitHubWorld

DEMO, OTHER = Place(7, "octo/demo"), Place(8, "octo/other")


@dataclass
class Case:
    world: GitHubWorld
    app: AppWorld
    clock: FakeClock
    access: AppAccess
    host: GitHubHost
    there: dict[int, str]
    learnt: dict[str, Secret]
    key: list[str]


@pytest.fixture
async def case() -> AsyncIterator[Case]:
    clock, there, learnt, key = FakeClock(), {7: "octo/demo", 8: "octo/other"}, {}, [private_key()]
    app = AppWorld(clock.now, lambda: there)
    world = GitHubWorld(app=app)
    config = Host(api_url=API, auth="app", app_id=APP_ID, repositories=("octo/*",))
    access = AppAccess(config, lambda: Secret(key[0]), clock, str, learnt.__setitem__)
    with respx.mock(assert_all_called=False) as router:
        router.route(host="api.github.test").mock(side_effect=world)
        host = GitHubHost(config, access, "test", clock, str)
        yield Case(world, app, clock, access, host, there, learnt, key)
        await host.close()


async def test_a_token_is_minted_for_one_repository_and_the_declared_permissions_and_kept(case: Case) -> None:
    first = await case.access.to(DEMO)
    assert case.app.asked == [{"repository_ids": [7], "permissions": DECLARED}]
    assert await case.access.to(DEMO) is first
    assert case.learnt["app token of 7"] is first.secret, "what is minted is redacted too"
    assert (await case.access.to(OTHER)).secret is not first.secret
    await case.clock.advance(51 * 60)
    assert (await case.access.to(DEMO)).secret is not first.secret, "a token is not used to its last minute"


@pytest.mark.parametrize(
    "reply",
    [
        {"permissions": {**DECLARED, "contents": "write"}},
        {"permissions": {**DECLARED, "issues": "read"}},
        {"permissions": {**DECLARED, "metadata": "admin"}},
        {"permissions": {**DECLARED, "contents": "everything"}},
        {"repositories": []},
        {"repositories": [{"id": 8, "full_name": "octo/other"}]},
        {"repositories": [{"id": 7, "full_name": "octo/demo"}, {"id": 8, "full_name": "octo/other"}]},
    ],
    ids=str,
)
async def test_a_token_wider_than_asked_for_is_never_used(case: Case, reply: dict[str, object]) -> None:
    case.app.reply = reply
    case.world.next_answer(
        "POST", "/app/installations/99/access_tokens", lambda request: case.app.answer(request, request.url.path, _sent(request))
    )
    with pytest.raises(errors.HostTokenTooWide) as caught:
        await case.host.pull_request(7, "octo/demo", 3)
    assert "fine-grained" not in caught.value.remedy, "an App has no such token to be replaced"
    assert not any(path.startswith("/repos/octo/demo/pulls") for _, path in case.world.seen)


def _sent(request: httpx.Request) -> dict[str, object]:
    return {"repository_ids": [7], "permissions": DECLARED}


async def test_another_repositorys_token_is_refused_before_the_network(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = await case.access.to(OTHER)

    async def swapped(place: Place) -> object:
        return theirs

    monkeypatch.setattr(case.access, "to", swapped)
    case.host._login = "somebody"
    before = len(case.world.seen)
    for ask in (case.host.our_reviews(PULL), case.host.publish(PULL, REVIEW, at_once), case.host.merge_base(PULL)):
        with pytest.raises(errors.RepositoryReplaced, match="nothing was sent"):
            await ask
    assert len(case.world.seen) == before


async def test_a_name_and_an_id_of_two_repositories_go_nowhere(case: Case) -> None:
    with pytest.raises(errors.RepositoryReplaced):
        await case.host.pull_request(8, "octo/demo", 3)
    assert not any("/pulls/" in path for _, path in case.world.seen)


async def test_a_refused_token_is_minted_anew_once_for_a_write_too(case: Case) -> None:
    await case.host.pull_request(7, "octo/demo", 3)
    case.app.minted.clear()
    await case.host.publish(PULL, REVIEW, at_once)
    assert len(case.app.asked) == 2
    assert len(case.world.reviews) == 1
    refused = (await case.access.to(DEMO)).secret
    assert await git_token(case.access, 7, "octo/demo", None) is refused
    assert await git_token(case.access, 7, "octo/demo", refused) is not refused


async def test_what_concerns_one_repository_says_which_way_it_is_closed(case: Case) -> None:
    await case.access.to(DEMO)
    case.app.minted.clear()
    case.app.suspended = True
    with pytest.raises(errors.AppSuspended):
        await case.host.pull_request(7, "octo/demo", 3)
    case.app.suspended = False
    del case.app.granted["pull_requests"]
    with pytest.raises(errors.AppPermissionMissing, match="not granted"):
        await case.host.pull_request(7, "octo/demo", 3)
    case.there.clear()
    with pytest.raises(errors.AppNotInstalled):
        await case.host.pull_request(7, "octo/demo", 3)


async def test_a_key_that_is_not_the_apps_concerns_the_profile_and_is_not_repeated(case: Case) -> None:
    for wrong in (private_key(1), "-----BEGIN PRIVATE KEY-----\nnonsense-nonsense\n-----END PRIVATE KEY-----"):
        case.key[0] = wrong
        for ask in (case.host.identify(), case.host.pull_request(7, "octo/demo", 3)):
            with pytest.raises(errors.AppKeyRejected) as caught:
                await ask
            assert wrong.splitlines()[1] not in f"{caught.value}{caught.value.remedy}"
            assert caught.value.__cause__ is None


@pytest.mark.parametrize(("status", "expected"), [(503, errors.HostUnreachable), (429, errors.HostRateLimited)])
async def test_a_host_that_fails_while_a_rename_is_looked_into_is_not_taken_for_another_repository(
    case: Case, status: int, expected: type[errors.Failure]
) -> None:
    await case.access.to(DEMO)
    case.there[7] = "octo/renamed"
    await case.clock.advance(51 * 60)
    case.world.next_answer("GET", "/repos/octo/demo/installation", httpx.Response(status))
    with pytest.raises(expected):
        await case.access.to(DEMO)
    assert (await case.access.present(DEMO)).name == "octo/renamed"


async def test_an_account_that_took_the_app_away_does_not_keep_the_others_from_being_listed(case: Case) -> None:
    case.access._config = replace(case.access._config, repositories=("gone/shop", "octo/demo", "octo/*"))
    assert [seen.name for seen in await case.host.repositories()] == ["octo/demo"]
    case.access._config = replace(case.access._config, repositories=("gone/shop", "gone/*"))
    case.access._installations.clear()
    case.access._owners.clear()
    with pytest.raises(errors.AppNotInstalled, match="gone/shop"):
        await case.host.repositories()


async def test_without_a_named_repository_an_app_cannot_know_where_it_is_installed(case: Case) -> None:
    with pytest.raises(errors.RepositoryForbidden) as caught:
        await case.host.repositories()
    assert "host.repositories" in caught.value.remedy
    await case.access.to(DEMO)
    assert [seen.name for seen in await case.host.repositories()] == ["octo/demo"]
    assert case.app.asked[-1] == {"permissions": {"metadata": "read"}}, "a list needs no more than names"
