from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from prreview_cli.trials.simulators import faults
from prreview_cli.trials.simulators.code_host import API, CodeHost
from prreview_cli.trials.simulators.faults import Fault
from prreview_cli.trials.simulators.github_state import Hosted
from prreview_cli.trials.simulators.loopback import Gate
from prreview_cli.trials.simulators.moments import Moment, What
from support.github_openapi import check_response
from support.simulators import TOKEN, MachineClock

REVIEWS = "/repos/octo/shop/pulls/3/reviews"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[CodeHost]:
    with CodeHost(tmp_path, MachineClock(), TOKEN) as host:
        yield host


@pytest.fixture
def shop(host: CodeHost) -> Hosted:
    return host.add_repository("octo/shop", pulls=3)


@pytest.fixture
def github(host: CodeHost) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=host.api_url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=20) as client:
        yield client


def review(shop: Hosted, **changes: Any) -> dict[str, Any]:
    return {"commit_id": shop.pulls[3].head_sha, "event": "COMMENT", "body": "A review.", "comments": [], **changes}


def comment(path: str, line: int, **more: Any) -> dict[str, Any]:
    return {"path": path, "line": line, "side": "RIGHT", "body": "Look here.", **more}


def refused(github: httpx.Client, wanted: dict[str, Any]) -> str:
    answer = github.post(REVIEWS, json=wanted)
    assert answer.status_code == 422
    return str(answer.json()["errors"][0])


def test_every_answer_is_one_that_github_could_give(github: httpx.Client, shop: Hosted) -> None:
    pull = shop.pulls[3]
    paths = ("/user", "/rate_limit", "/repos/octo/shop", "/repos/octo/shop/pulls", "/repos/octo/shop/pulls/3")
    compare = f"/repos/octo/shop/compare/{shop.base_tip()}...{pull.head_sha}"
    for path in (*paths, compare, "/repos/octo/shop/collaborators/ada/permission", REVIEWS):
        answer = github.get(path)
        assert answer.status_code == 200, path
        check_response("GET", path, 200, answer.json())
    posted = github.post(REVIEWS, json=review(shop))
    check_response("POST", REVIEWS, posted.status_code, posted.json())
    edited = github.put(f"{REVIEWS}/{posted.json()['id']}", json={"body": "Outdated."})
    check_response("PUT", f"{REVIEWS}/1", edited.status_code, edited.json())
    check_response("GET", REVIEWS, 200, github.get(REVIEWS).json())
    assert shop.reviews[0].body == "Outdated."


def test_where_the_base_branch_moved_on_the_comparison_names_the_merge_base(github: httpx.Client, shop: Hosted) -> None:
    pull = shop.pulls[3]
    compared = github.get(f"/repos/octo/shop/compare/{pull.base_sha}...{pull.head_sha}").json()
    assert compared["status"] == "diverged"
    assert compared["merge_base_commit"]["sha"] == shop.git.merge_base("main", pull.head_sha) != pull.base_sha
    assert github.get("/repos/octo/shop/compare/main...nothing").status_code == 404


def test_a_review_is_stored_on_its_commit_if_each_anchor_is_in_the_diff(github: httpx.Client, shop: Hosted) -> None:
    comments = [
        comment("examples/example_3.py", 1),
        comment("shop/orders.py", 19, start_line=17),
        comment("shop/orders.py", 16, side="LEFT"),
    ]
    answer = github.post(REVIEWS, json=review(shop, comments=comments))
    assert (answer.status_code, answer.json()["state"]) == (200, "COMMENTED")
    assert [(kept.commit_id, kept.comments) for kept in shop.reviews] == [(shop.pulls[3].head_sha, comments)]


def test_one_anchor_outside_the_diff_loses_the_whole_review(github: httpx.Client, shop: Hosted) -> None:
    good = comment("examples/example_3.py", 1)
    assert refused(github, review(shop, comments=[good, comment("examples/example_3.py", 8)])) == "Line could not be resolved"
    assert refused(github, review(shop, comments=[good, comment("README.md", 1)])) == "Path could not be resolved"
    # The base branch alone touched this file: it is in the diff from the tip, not in the one from the merge base.
    assert refused(github, review(shop, comments=[comment("shop/stock.py", 20)])) == "Path could not be resolved"
    assert "same hunk" in refused(github, review(shop, comments=[comment("shop/orders.py", 19, start_line=1)]))
    assert shop.reviews == []


def test_a_commit_that_is_not_in_the_pull_request_is_refused(host: CodeHost, github: httpx.Client, shop: Hosted) -> None:
    former = shop.pulls[3].head_sha
    assert "not part of the pull request" in refused(github, review(shop, commit_id=shop.pulls[2].head_sha))
    host.push(shop, 3)
    assert github.post(REVIEWS, json=review(shop, commit_id=former)).status_code == 200, "a push leaves the former head in it"
    host.push(shop, 3, {"other.py": "1\n"}, force=True)
    assert "not part of the pull request" in refused(github, review(shop, commit_id=former))


def test_a_body_of_more_than_65536_characters_is_refused(github: httpx.Client, shop: Hosted) -> None:
    assert github.post(REVIEWS, json=review(shop, body="x" * 65536)).status_code == 200
    assert refused(github, review(shop, body="x" * 65537)) == "Body is too long (maximum is 65536 characters)"


def test_a_pending_review_stands_in_the_way_until_it_is_deleted(github: httpx.Client, shop: Hosted) -> None:
    pending = github.post(REVIEWS, json=review(shop, event=None)).json()
    assert pending["state"] == "PENDING"
    assert "one pending review" in refused(github, review(shop))
    assert github.delete(f"{REVIEWS}/{pending['id']}").status_code == 200
    submitted = github.post(REVIEWS, json=review(shop)).json()
    assert github.delete(f"{REVIEWS}/{submitted['id']}").status_code == 422


def test_reviews_come_in_pages_with_a_link_to_the_next(github: httpx.Client, shop: Hosted) -> None:
    for number in range(5):
        github.post(REVIEWS, json=review(shop, body=f"Review {number}"))
    first = github.get(REVIEWS, params={"per_page": 2})
    bodies, answer = [one["body"] for one in first.json()], first
    while "next" in answer.links:
        answer = github.get(answer.links["next"]["url"])
        bodies += [one["body"] for one in answer.json()]
    assert bodies == [f"Review {number}" for number in range(5)]


def test_a_revoked_token_is_401_everywhere_until_it_works_again(host: CodeHost, github: httpx.Client, shop: Hosted) -> None:
    host.revoke_token()
    assert [github.get(path).status_code for path in ("/user", REVIEWS, "/nowhere")] == [401, 401, 401]
    host.restore_token()
    assert github.get("/user").json()["login"] == "prreview-bot"


def test_only_a_classic_token_shows_its_scopes(tmp_path: Path, github: httpx.Client, shop: Hosted) -> None:
    assert "x-oauth-scopes" not in github.get("/user").headers
    with CodeHost(tmp_path / "classic", MachineClock(), TOKEN, scopes="repo, user") as host:
        answer = httpx.get(f"{host.api_url}/user", headers={"authorization": f"token {TOKEN}"})
        assert answer.headers["x-oauth-scopes"] == "repo, user"


def test_a_renamed_repository_answers_301_and_is_found_by_its_id(host: CodeHost, github: httpx.Client, shop: Hosted) -> None:
    host.rename(shop, "octo/store")
    moved = github.get("/repos/octo/shop/pulls/3")
    assert moved.status_code == 301
    assert urlsplit(moved.headers["location"]).path == f"{API}/repositories/{shop.id}/pulls/3"
    assert github.get(f"/repositories/{shop.id}").json()["full_name"] == "octo/store"


def test_a_repository_made_anew_under_its_name_has_another_id(host: CodeHost, github: httpx.Client, shop: Hosted) -> None:
    former = shop.id
    host.replace(shop)
    assert github.get("/repos/octo/shop").json()["id"] == shop.id != former
    assert github.get(f"/repositories/{former}").status_code == 404


def test_a_lost_answer_leaves_the_review_stored(host: CodeHost, github: httpx.Client, shop: Hosted) -> None:
    host.faults.append(Fault("POST", f"{API}{REVIEWS}", faults.LoseAnswer()))
    with pytest.raises(httpx.TransportError):
        github.post(REVIEWS, json=review(shop))
    assert len(github.get(REVIEWS).json()) == 1
    assert [seen.status for seen in host.requests] == [0, 200]


async def test_a_post_can_land_long_after_its_connection_was_cut(host: CodeHost, shop: Hosted) -> None:
    gate = Gate()
    host.faults.append(Fault("POST", f"{API}{REVIEWS}", faults.LandLater(gate)))
    async with httpx.AsyncClient(base_url=host.api_url, headers={"authorization": f"Bearer {TOKEN}"}) as github:
        with pytest.raises(httpx.TransportError):
            await github.post(REVIEWS, json=review(shop))
        await gate.reached()
        assert (await github.get(REVIEWS)).json() == []
        gate.open()
        await host.watch.until(lambda: bool(shop.reviews), 10)
        assert len((await github.get(REVIEWS)).json()) == 1


def test_faults_befall_as_many_requests_as_were_ordered(host: CodeHost, github: httpx.Client, shop: Hosted) -> None:
    host.faults += [Fault("GET", "*/user", faults.bad_gateway(), times=2), Fault("POST", "*/reviews", faults.secondary_limit(7))]
    assert [github.get("/user").status_code for _ in range(3)] == [502, 502, 200]
    limited = github.post(REVIEWS, json=review(shop))
    assert (limited.status_code, limited.headers["retry-after"]) == (403, "7")
    assert shop.reviews == []


def test_what_a_reviewer_has_no_business_with_is_404_and_has_no_route(host: CodeHost, github: httpx.Client, shop: Hosted) -> None:
    for method, path in (
        ("POST", "/repos/octo/shop/pulls/3/merge"),
        ("GET", "/repos/octo/shop/contents/a"),
        ("DELETE", "/repos/octo/shop"),
    ):
        assert github.request(method, path).status_code == 404
    github.get("/repos/octo/shop/pulls/3")
    assert [seen.route for seen in host.requests] == ["", "", "", "GET /repos/O/R/pulls/N"]


def test_the_observer_is_told_of_reading_and_posting(tmp_path: Path) -> None:
    moments: list[Moment] = []
    with CodeHost(tmp_path / "observed", MachineClock(), TOKEN, observer=moments.append) as host:
        shop = host.add_repository("octo/shop", pulls=3)
        with httpx.Client(base_url=host.api_url, headers={"authorization": f"Bearer {TOKEN}"}) as github:
            github.get("/repos/octo/shop/pulls/3")
            github.post(REVIEWS, json=review(shop))
    told = [(moment.review, moment.what) for moment in moments]
    assert told == [("octo/shop#3", what) for what in (What.PULL_READ, What.ANSWERED, What.ASKED, What.POSTED)]
