"""The decision table: which event leads to a review, a cancellation or nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from prreview_cli.core.events import Cancel, Ignore, Ping, PullRequestEvent, Review, Unrelated
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.core.triggers import covers, decide

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ARRIVED = datetime(2026, 11, 24, 12, 0, 5, tzinfo=UTC)
POLICY = ReviewPolicy()
ACTIONS = [
    "assigned",
    "auto_merge_disabled",
    "auto_merge_enabled",
    "closed",
    "converted_to_draft",
    "demilestoned",
    "dequeued",
    "edited",
    "enqueued",
    "labeled",
    "locked",
    "milestoned",
    "opened",
    "ready_for_review",
    "reopened",
    "review_request_removed",
    "review_requested",
    "synchronize",
    "unassigned",
    "unlabeled",
    "unlocked",
    "something_new",
]


def event(**changes: Any) -> PullRequestEvent:
    plain = PullRequestEvent(
        action="opened",
        repository_id=7,
        repository="octo/demo",
        number=3,
        head_sha="a" * 40,
        base_ref="main",
        draft=False,
        open=True,
        updated_at=NOON,
        author="alice",
        author_association="MEMBER",
        sender="alice",
    )
    return replace(plain, **changes)


def decided(policy: ReviewPolicy = POLICY, repositories: tuple[str, ...] = (), own_login: str | None = None, **changes: Any) -> Any:
    return decide(event(**changes), policy, repositories, own_login, ARRIVED)


@pytest.mark.parametrize("draft", [False, True])
@pytest.mark.parametrize("skip_drafts", [False, True])
@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_under_both_draft_policies(action: str, *, draft: bool, skip_drafts: bool) -> None:
    decision = decided(ReviewPolicy(skip_drafts=skip_drafts), action=action, draft=draft)
    if action == "closed" or (action == "converted_to_draft" and skip_drafts):
        assert isinstance(decision, Cancel)
    elif action in POLICY.actions and not (draft and skip_drafts):
        assert isinstance(decision, Review)
    else:
        assert isinstance(decision, Ignore)
        assert decision.reason.endswith(".")


@pytest.mark.parametrize("action", POLICY.actions)
def test_an_action_that_the_profile_does_not_name_asks_for_nothing(action: str) -> None:
    rest = tuple(other for other in POLICY.actions if other != action)
    assert isinstance(decided(ReviewPolicy(actions=rest), action=action), Ignore)
    assert isinstance(decided(ReviewPolicy(actions=(action,)), action=action), Review)


def test_the_target_is_what_the_event_names() -> None:
    decision = decided(action="synchronize")
    target = decision.target
    assert (target.repository_id, target.repository, target.number, target.head_sha) == (7, "octo/demo", 3, "a" * 40)
    assert (target.base_ref, target.updated_at, target.author, target.priority) == ("main", NOON, "alice", 0)
    assert (target.admitted, target.new_base, target.again) == (True, False, False)


def test_a_cancellation_names_the_pull_request_and_its_time() -> None:
    assert decided(action="closed", open=False) == Cancel(7, "octo/demo", 3, NOON, "The pull request was closed.")
    assert decided(action="converted_to_draft", draft=True) == Cancel(7, "octo/demo", 3, NOON, "The pull request was converted to a draft.")


@pytest.mark.parametrize("action", ["opened", "synchronize", "labeled", "edited"])
def test_nothing_of_a_closed_pull_request_is_reviewed(action: str) -> None:
    assert isinstance(decided(action=action, open=False, label="prreview", base_changed=True), Cancel)


# -- authors and the label -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("association", "admitted"),
    [
        ("OWNER", True),
        ("MEMBER", True),
        ("COLLABORATOR", True),
        ("CONTRIBUTOR", False),
        ("FIRST_TIME_CONTRIBUTOR", False),
        ("FIRST_TIMER", False),
        ("MANNEQUIN", False),
        ("NONE", False),
        ("owner", False),
        ("", False),
    ],
)
def test_a_stranger_is_queued_unadmitted_and_not_refused_yet(association: str, *, admitted: bool) -> None:
    decision = decided(author_association=association)
    assert isinstance(decision, Review)
    assert decision.target.admitted is admitted


def test_the_profile_says_who_is_no_stranger() -> None:
    policy = ReviewPolicy(authors=("NONE",))
    assert decided(policy, author_association="NONE").target.admitted
    assert not decided(policy, author_association="OWNER").target.admitted


def test_the_allow_label_admits_the_head_of_its_delivery() -> None:
    decision = decided(action="labeled", label="prreview", author_association="NONE")
    assert isinstance(decision, Review)
    assert decision.target.admitted
    assert decision.target.head_sha == "a" * 40


@pytest.mark.parametrize("label", [None, "", "bug", "PRREVIEW", "prreview "])
def test_no_other_label_does(label: str | None) -> None:
    assert isinstance(decided(action="labeled", label=label, author_association="NONE"), Ignore)


def test_the_label_of_another_action_admits_nobody() -> None:
    assert isinstance(decided(action="unlabeled", label="prreview"), Ignore)
    assert not decided(action="synchronize", label="prreview", author_association="NONE").target.admitted


def test_the_allow_label_does_not_bring_a_draft_in() -> None:
    assert isinstance(decided(action="labeled", label="prreview", draft=True), Ignore)


# -- a new base ----------------------------------------------------------------------------------------


def test_a_new_base_asks_for_a_new_run() -> None:
    decision = decided(action="edited", base_changed=True, base_ref="release")
    assert isinstance(decision, Review)
    assert decision.target.new_base
    assert decision.target.base_ref == "release"


def test_a_new_base_admits_no_stranger() -> None:
    assert not decided(action="edited", base_changed=True, author_association="NONE").target.admitted


def test_an_edited_title_asks_for_nothing() -> None:
    assert isinstance(decided(action="edited"), Ignore)


def test_a_changed_base_means_nothing_with_another_action() -> None:
    assert not decided(action="synchronize", base_changed=True).target.new_base


# -- whose event, and where ------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["opened", "closed", "labeled", "converted_to_draft"])
def test_our_own_doing_is_ignored_whatever_its_case(action: str) -> None:
    assert isinstance(decided(own_login="PRReview-Bot", action=action, sender="prreview-bot", label="prreview"), Ignore)


def test_other_bots_are_authors_like_any_other() -> None:
    assert isinstance(decided(own_login="prreview-bot", sender="dependabot[bot]", author="dependabot[bot]"), Review)


def test_before_we_know_who_we_are_nobody_is_us() -> None:
    assert isinstance(decided(own_login=None, sender="prreview-bot"), Review)


def test_what_we_opened_and_another_pushed_to_is_reviewed() -> None:
    assert isinstance(decided(own_login="prreview-bot", author="prreview-bot", sender="alice", action="synchronize"), Review)


@pytest.mark.parametrize(
    ("globs", "covered"),
    [
        ((), True),
        (("octo/demo",), True),
        (("OCTO/Demo",), True),
        (("octo/*",), True),
        (("*/demo",), True),
        (("other/*", "octo/d?mo"), True),
        (("*",), True),
        (("other/*",), False),
        (("octo/dem",), False),
        (("octo",), False),
        (("octo/demo/",), False),
    ],
)
def test_the_profile_says_which_repositories(globs: tuple[str, ...], *, covered: bool) -> None:
    assert covers(globs, "Octo/demo") is covered
    assert isinstance(decided(repositories=globs), Review if covered else Ignore)
    assert isinstance(decided(repositories=globs, action="closed"), Cancel if covered else Ignore)


def test_a_ping_is_answered_whatever_the_policy() -> None:
    decision = decide(Ping(), POLICY, ("other/*",), None, ARRIVED)
    assert isinstance(decision, Ignore)
    assert "ping" in decision.reason


def test_what_is_not_for_us_keeps_its_reason() -> None:
    assert decide(Unrelated("A push."), POLICY, (), None, ARRIVED) == Ignore("A push.")


def test_an_odd_action_is_shown_short_and_quoted() -> None:
    decision = decided(action="x" * 5000)
    assert isinstance(decision, Ignore)
    assert len(decision.reason) < 100


def test_an_event_that_does_not_say_when_is_as_new_as_its_arrival() -> None:
    review, cancel = decided(updated_at=None), decided(action="closed", updated_at=None)
    assert (review.target.updated_at, cancel.updated_at) == (ARRIVED, ARRIVED)
