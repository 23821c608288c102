"""Threats 44 to 51, without 47: what a model that was talked over can do on the pull request's page.

A review is rendered by GitHub's own cmark-gfm, so what is asserted is what the page would show. 47 is in test_redaction.py.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import respx
from hypothesis import example, given, settings

from prreview_cli.core import marker
from prreview_cli.core.markup import size
from prreview_cli.core.profile import Host
from prreview_cli.core.review import Coverage, Finding, Omission, Review, Severity
from prreview_cli.core.toolbox import Toolbox
from prreview_cli.core.toolspecs import SERVER_NAME
from prreview_cli.hosts.github import fields, markup, requests
from prreview_cli.hosts.github.auth import TokenAccess
from prreview_cli.hosts.github.host import GitHubHost
from prreview_cli.hosts.github.requests import NewReview, Route
from prreview_cli.secrecy import Secret
from prreview_cli.trials.simulators.behaviours import review
from prreview_cli.trials.simulators.conversation import Conversation, Reply, ToolUse, Turn
from support.clocks import FakeClock
from support.fakes import FakeSnapshot, at_once
from support.github_page import Page
from support.github_world import API, HEAD, PULL, REVIEW, TOKEN, GitHubWorld
from support.hostile_reviews import CORPUS, reviews, saying
from support.stage import Stage

EVERYTHING = "\n\n".join(CORPUS)


def texts(review: Review) -> Iterator[str]:
    """All Markdown of the post: the body without the marker that closes it, and each comment."""
    post = markup.post(review)
    visible, closing = post.body.rsplit("\n\n", 1)
    assert closing == marker.render(markup.marker_of(review))
    yield visible
    yield from (comment.body for comment in post.comments)


def alive(review: Review) -> dict[str, object]:
    """Whatever of the review's texts does something on the page, by kind; empty if nothing does."""
    found: dict[str, object] = {}
    for text in texts(review):
        page = Page(text)
        kinds = {"foreign": page.foreign, "references": page.references, "commands": page.commands, "hidden": page.comments}
        kinds |= {"unseen": page.unseen, "marker": marker.parse(text), "outdated": markup.is_outdated(text)}
        found |= {kind: what for kind, what in kinds.items() if what}
    return found


@pytest.fixture
def unsanitised(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A rendering that takes the model's word as it is."""
    monkeypatch.setattr(markup, "fit", lambda text, limit, render=str: text[:limit])
    monkeypatch.setattr(markup, "code", str)
    return monkeypatch


# -- 44 and 45: the page ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", CORPUS, ids=range(len(CORPUS)))
def test_threat_44_and_45_nothing_of_the_corpus_leads_calls_or_hides_anywhere_in_a_review(text: str) -> None:
    assert alive(saying(text)) == {}


@settings(max_examples=150)
@given(reviews)
@example(saying(EVERYTHING))
def test_threat_44_and_45_whatever_is_said_is_text_on_githubs_page(hostile_review: Review) -> None:
    assert alive(hostile_review) == {}


@pytest.mark.without("the sanitiser")
def test_threat_44_and_45_and_without_the_sanitiser_every_part_of_the_corpus_is_alive(unsanitised: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {}
    for text in CORPUS:
        for kind, what in alive(saying(text.replace("\ud800", ""))).items():
            found.setdefault(kind, []).append(what)
    assert found.keys() >= {"foreign", "references", "commands", "hidden", "unseen"}
    assert "https://evil.test/p.png" in set().union(*found["foreign"])


async def test_threat_44_and_46_and_51_a_review_by_a_hostile_model_reaches_one_route_as_text(tmp_path: Path) -> None:
    said = "\n\n".join(text for text in CORPUS[:40] if text.isprintable() and "`" not in text) + "\n\n```suggestion\nrm -rf /\n```"
    tried = [ToolUse(f"mcp__{SERVER_NAME}__approve", {}), ToolUse("merge_pull_request", {"number": 1}), ToolUse("Bash", {"command": "id"})]

    def script(asked: Conversation) -> Reply:
        handed_in = review(asked, 1)
        finding = {**handed_in["findings"][0], "title": "A title", "explanation": said, "suggestion": said} if asked.turn > 2 else {}
        whole = {"summary": said, "findings": [finding]}
        match asked.turn:
            case 1:
                return Turn("", (ToolUse("read_diff"),))
            case 2:
                return Turn("", tuple(tried))
            case 3:
                return Turn("", (ToolUse("submit_review", {**whole, "event": "APPROVE", "labels": ["safe"]}),))
            case 4:
                return Turn("", (ToolUse("submit_review", whole),))
        return Turn("Done.")

    with Stage(tmp_path) as stage:
        stage.model.script = script
        code, _, err = await stage.run("review", "octo/shop#1", "--agent", "scripted", "--allow-unsandboxed")
        assert code == 0, err
        routes = {seen.route for seen in stage.host.requests}
        [posted] = stage.reviews()
    assert routes <= {
        *("git", "GET /user", "GET /repos/O/R/pulls/N", "GET /repos/O/R/compare/BASE...HEAD", "GET /repos/O/R/pulls/N/reviews"),
        "POST /repos/O/R/pulls/N/reviews",
    }
    assert (posted.state, posted.commit_id) == ("COMMENTED", stage.hosted.pulls[1].head_sha)
    assert posted.comments, "the hostile finding was not posted, so nothing was shown"
    for text in (posted.body.rsplit("\n\n", 1)[0], *(comment["body"] for comment in posted.comments)):
        page = Page(text)
        assert (page.foreign, page.references, page.commands, page.comments) == (set(), [], [], [])
        assert 'lang="' not in page.html


# -- 46: only a comment -----------------------------------------------------------------------------------

SPEC_ROUTES = {
    *("GET /user", "GET /user/repos", "GET /rate_limit", "GET /repositories/{}", "GET /repos/{}/{}/pulls", "GET /repos/{}/{}/pulls/{}"),
    *("GET /repos/{}/{}/compare/{}...{}", "GET /repos/{}/{}/collaborators/{}/permission", "GET /repos/{}/{}/pulls/{}/reviews"),
    *("POST /repos/{}/{}/pulls/{}/reviews", "PUT /repos/{}/{}/pulls/{}/reviews/{}", "DELETE /repos/{}/{}/pulls/{}/reviews/{}"),
    *("GET /app", "GET /repos/{}/{}/installation", "GET /installation/repositories", "POST /app/installations/{}/access_tokens"),
}
"""Of SPEC §9 what is built; that no other can be named."""
INJECTED = ["x/../../merge", "../../merge", "octo/demo/pulls/3/merge?", "a#", "a?x=", "%2e%2e/merge", "o/r/../x", "x\r\nX-Evil: 1", "é/ü"]


@asynccontextmanager
async def talking(world: GitHubWorld) -> AsyncIterator[GitHubHost]:
    with respx.mock(assert_all_called=False) as router:
        router.route(host="api.github.test").mock(side_effect=world)
        github = GitHubHost(Host(api_url=API), TokenAccess(lambda: Secret(TOKEN)), "test", FakeClock(), str)
        yield github
        await github.close()


def paths() -> set[str]:
    """Every path that a request of ours has, if each field that comes from elsewhere is an injection."""
    found = set()
    for text in INJECTED:
        for ask in (
            lambda text: requests.pull(text, 1),
            lambda text: requests.reviews(text, 1, 1),
            lambda text: requests.permission("octo/demo", text),
            lambda text: requests.compare("octo/demo", text, HEAD),
            lambda text: requests.post_review(text, 1, NewReview(HEAD, "")),
            lambda text: requests.post_review("octo/demo", text, NewReview(HEAD, "")),
            lambda text: requests.edit_review("octo/demo", 1, text, requests.NewBody("")),
            requests.repository,
        ):
            try:
                found.add(ask(text).target)
            except ValueError:
                continue
    return found


@pytest.mark.without("the event that is always COMMENT")
async def test_threat_46_a_review_is_a_comment_whatever_its_text_says(monkeypatch: pytest.MonkeyPatch) -> None:
    wish = '{"event": "APPROVE"} event=APPROVE /approve /lgtm /merge @dependabot merge #approve LGTM'

    async def events() -> set[str]:
        world = GitHubWorld()
        async with talking(world) as host:
            await host.publish(PULL, saying(wish), at_once)
        assert {path for method, path in world.seen if method != "GET"} == {f"{world.pulls}/reviews"}
        return {sent["event"] for sent in world.bodies if sent is not None}

    assert await events() == {"COMMENT"}

    def obedient(review: NewReview) -> dict[str, Any]:
        return {**whole(review), "event": found[1] if (found := re.search("event=([A-Z]+)", review.body)) else "COMMENT"}

    whole = NewReview.to_json
    monkeypatch.setattr(NewReview, "to_json", obedient)
    assert await events() == {"APPROVE"}


@pytest.mark.without("the form that each field of a path must have")
def test_threat_46_no_field_leads_a_request_to_another_route(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {f"{route.method} {re.sub('{[a-z]+}', '{}', route.template)}" for route in Route} == SPEC_ROUTES
    assert paths() == set()

    for check in ("sha", "full_name", "login", "identifier"):
        monkeypatch.setattr(fields, check, lambda value: value)
    monkeypatch.setattr(requests, "quote", lambda value, safe: value)
    assert "/repos/octo/demo/collaborators/x/../../merge/permission" in paths()


async def test_threat_46_over_all_verbs_the_host_sees_the_two_writes_that_a_review_needs() -> None:
    world = GitHubWorld()
    ours = world.add_review(markup.post(replace(REVIEW, reviewed_sha="d" * 40)).body, commit="d" * 40)
    async with talking(world) as host:
        pull = await host.pull_request(7, "octo/demo", 3)
        await host.identify()
        await host.merge_base(pull)
        await host.may_write(pull, "mallory")
        await host.publish(pull, saying(EVERYTHING), at_once)
        for posted in await host.our_reviews(pull):
            await host.mark_outdated(pull, posted, HEAD)
    writes = [(method, path) for method, path in world.seen if method != "GET"]
    assert set(writes) == {("POST", f"{world.pulls}/reviews"), ("PUT", f"{world.pulls}/reviews/{ours['id']}")} | {
        ("PUT", f"{world.pulls}/reviews/{review['id']}") for review in world.reviews
    }
    assert not {word for sent in world.bodies if sent for word in sent} - {"commit_id", "event", "body", "comments"}


# -- 48 ---------------------------------------------------------------------------------------------------


def test_threat_48_five_megabytes_are_a_small_post_and_not_even_taken() -> None:
    flood = "word @a #1 `x`\n" * 350_000
    many = tuple(replace(REVIEW.findings[0], title=flood, explanation=flood, suggestion=flood, line=n + 1) for n in range(40))
    post = markup.post(replace(saying(flood), findings=many, notes=(flood,) * 9, coverage=Coverage((), (Omission("p", flood),) * 300)))
    assert size(post.body) + sum(size(comment.body) for comment in post.comments) < 60_000
    assert len(post.comments) <= markup.MOST_COMMENTS
    assert marker.parse(post.body) is not None


@pytest.mark.parametrize("findings", [1, 21])
async def test_threat_48_a_flood_is_refused_where_it_is_handed_in_and_the_same_finding_counts_once(findings: int) -> None:
    toolbox = Toolbox(FakeSnapshot(), max_comments=20)
    one = {"path": "thing.py", "line": 1, "severity": "info", "title": "t", "explanation": "e"}
    flooded = {**one, "explanation": "word " * 1_000_000} if findings == 1 else one
    refused = await toolbox.call("submit_review", {"summary": "s", "findings": [flooded] * findings})
    assert refused.is_error
    assert toolbox.submission is None
    assert not (await toolbox.call("submit_review", {"summary": "s", "findings": [one] * 20})).is_error
    assert toolbox.submission is not None
    assert len(toolbox.submission.findings) == 1


# -- 49 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("forger", ["mallory", "Prreview-Bot2", "prreview-bot[bot]", None])
async def test_threat_49_a_marker_that_somebody_else_wrote_is_no_review_of_ours_and_stays_untouched(forger: str | None) -> None:
    world = GitHubWorld()
    forged = world.add_review(markup.post(REVIEW).body, login=forger)
    body = forged["body"]
    async with talking(world) as host:
        assert await host.our_reviews(PULL) == []
        await host.publish(PULL, REVIEW, at_once)
        [ours] = await host.our_reviews(PULL)
        assert int(ours.review_id) != forged["id"]
    assert forged["body"] == body
    assert all(str(forged["id"]) not in path for _, path in world.seen)

    forged["user"] = {**world.reviews[-1]["user"]}  # by us it would count
    async with talking(world) as host:
        assert len(await host.our_reviews(PULL)) == 2


# -- 50 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [{"line": 2}, {"line": 1, "side": "LEFT"}, {"line": 1, "path": "other.py"}, {"line": 9, "start_line": 1}])
async def test_threat_50_a_finding_outside_the_diff_is_sent_back_with_the_nearest_place(place: dict[str, Any]) -> None:
    toolbox = Toolbox(FakeSnapshot(), max_comments=20)
    finding = {"path": "thing.py", "severity": "info", "title": "t", "explanation": "e", **place}
    told = await toolbox.call("submit_review", {"summary": "s", "findings": [finding]})
    assert (told.is_error, toolbox.submission) == (True, None)
    assert "Finding 1 (t)" in told.text
    assert "thing.py" in told.text or "nearest" in told.text


def test_threat_50_what_has_no_line_all_the_same_stands_in_the_body_so_that_the_host_has_nothing_to_refuse() -> None:
    nowhere = [Finding("thing.py", line, Severity.ERROR, "Without a place", "e", start_line=start) for line, start in ((0, None), (3, 7))]
    post = markup.post(replace(REVIEW, findings=tuple(nowhere)))
    assert post.comments == ()
    assert post.body.count("Without a place") == 2


# -- 51 ---------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(reviews)
@example(saying("```suggestion\nrm -rf /\n```"))
@example(saying("~~~ suggestion\nx\n~~~\n\n> ````suggestion:-0+1\n> x\n> ````\n\n* ```suggestion\n  x"))
def test_threat_51_no_block_can_be_applied_with_one_click(hostile_review: Review) -> None:
    for text in texts(hostile_review):
        assert 'lang="' not in Page(text).html


@pytest.mark.without("the sanitiser")
def test_threat_51_and_without_the_sanitiser_the_block_would_be_there(unsanitised: pytest.MonkeyPatch) -> None:
    assert any('lang="suggestion"' in Page(text).html for text in texts(saying("```suggestion\nrm -rf /\n```")))
