from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prreview_cli.core.events import Cancel, Ignore, Ping, PullRequestEvent, Review, Unrelated
from prreview_cli.core.profile import ReviewPolicy
from prreview_cli.core.triggers import decide
from prreview_cli.hosts.github.webhook import GitHubWebhook, signature
from prreview_cli.secrecy import Secret
from support.github_openapi import SAMPLES

CURRENT = "the current webhook secret, long enough"
PREVIOUS = "the previous webhook secret, long enough"
WEBHOOKS = SAMPLES / "webhooks"


def reader(*secrets: str) -> GitHubWebhook:
    kept: Sequence[Secret] = [Secret(secret) for secret in secrets]
    return GitHubWebhook(lambda: kept)


def signed(body: bytes, secret: str = CURRENT) -> dict[bytes, bytes]:
    return {b"x-hub-signature-256": signature(body, secret.encode())}


def payload(**changes: Any) -> dict[str, Any]:
    pull: dict[str, Any] = {
        "number": 3,
        "state": "open",
        "draft": False,
        "title": "A title",
        "updated_at": "2026-11-24T12:00:00Z",
        "author_association": "MEMBER",
        "user": {"login": "alice"},
        "head": {"sha": "a" * 40, "ref": "topic", "repo": None},
        "base": {"sha": "b" * 40, "ref": "main"},
        "diff_url": "https://evil.test/x.diff",
    }
    whole: dict[str, Any] = {
        "action": "opened",
        "number": 3,
        "pull_request": pull | changes.pop("pull", {}),
        "repository": {"id": 7, "full_name": "octo/demo", "clone_url": "https://evil.test/x.git"},
        "sender": {"login": "alice"},
    }
    return whole | changes


def read(body: bytes | dict[str, Any], event: bytes = b"pull_request") -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return reader(CURRENT).read(raw, {b"x-github-event": event})


GOOD = json.dumps(payload()).encode()


# -- authentic or not --------------------------------------------------------------------------------


def test_githubs_own_vector_verifies() -> None:
    header = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert reader("It's a Secret to Everybody").authentic(b"Hello, World!", {b"x-hub-signature-256": header})


def test_the_current_and_the_previous_secret_verify_and_no_other() -> None:
    during = reader(CURRENT, PREVIOUS)
    assert during.authentic(b"{}", signed(b"{}", CURRENT))
    assert during.authentic(b"{}", signed(b"{}", PREVIOUS))
    assert not during.authentic(b"{}", signed(b"{}", "another environment's secret, long enough"))
    assert not reader(CURRENT).authentic(b"{}", signed(b"{}", PREVIOUS))


def test_a_rotated_secret_counts_from_the_next_delivery_on() -> None:
    kept = [Secret(PREVIOUS)]
    webhook = GitHubWebhook(lambda: kept)
    assert not webhook.authentic(b"{}", signed(b"{}"))
    kept.insert(0, Secret(CURRENT))
    assert webhook.authentic(b"{}", signed(b"{}"))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"sha256=",
        b"sha256=" + b"0" * 64,
        signature(GOOD, CURRENT.encode())[:-1],
        signature(GOOD, CURRENT.encode()) + b"0",
        signature(GOOD, CURRENT.encode()).removeprefix(b"sha256="),
        signature(GOOD, CURRENT.encode()).upper(),
        b"sha1=" + hmac.new(CURRENT.encode(), GOOD, hashlib.sha1).hexdigest().encode(),
        "sha256=é".encode(),
        b"sha256=\xe9",
        b"\xff" * 71,
    ],
)
def test_no_other_header_verifies_and_none_raises(header: bytes) -> None:
    assert not reader(CURRENT, PREVIOUS).authentic(GOOD, {b"x-hub-signature-256": header})


def test_a_signature_in_sha1_alone_is_none() -> None:
    old = b"sha1=" + hmac.new(CURRENT.encode(), GOOD, hashlib.sha1).hexdigest().encode()
    assert not reader(CURRENT).authentic(GOOD, {b"x-hub-signature": old})


def test_the_signature_covers_every_byte() -> None:
    headers = signed(GOOD)
    assert reader(CURRENT).authentic(GOOD, headers)
    assert not reader(CURRENT).authentic(GOOD + b" ", headers)
    assert not reader(CURRENT).authentic(GOOD[:-1], headers)


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nothing_verifies(secrets: tuple[str, ...]) -> None:
    assert not reader(*secrets).authentic(b"{}", signed(b"{}", ""))


# -- what it says -------------------------------------------------------------------------------------


def test_the_few_fields_are_read() -> None:
    assert read(payload()) == PullRequestEvent(
        action="opened",
        repository_id=7,
        repository="octo/demo",
        number=3,
        head_sha="a" * 40,
        base_ref="main",
        draft=False,
        open=True,
        updated_at=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
        author="alice",
        author_association="MEMBER",
        sender="alice",
    )


def test_what_an_action_brings_is_read() -> None:
    assert read(payload(action="labeled", label={"name": "prreview", "id": 1})).label == "prreview"
    assert read(payload(action="edited", changes={"base": {"ref": {"from": "old"}}})).base_changed
    assert not read(payload(action="edited", changes={"title": {"from": "old"}})).base_changed
    assert read(payload(pull={"state": "closed", "draft": True})).open is False
    assert read(payload(pull={"head": {"sha": "a" * 64}})).head_sha == "a" * 64
    assert read(payload(pull={"updated_at": "2026-11-24T14:00:00+02:00"})).updated_at == datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def test_what_may_be_missing_may_be_missing() -> None:
    lean = payload(pull={"user": None, "author_association": None, "draft": None}, sender=None, label=None, changes=None)
    for key in ("user", "author_association", "draft"):
        del lean["pull_request"][key]
    found = read(lean)
    assert (found.author, found.author_association, found.draft, found.sender) == ("ghost", "NONE", False, "ghost")


def test_nothing_of_the_payloads_urls_is_read() -> None:
    assert "evil" not in repr(read(payload(pull={"head": {"sha": "a" * 40, "repo": {"clone_url": "https://evil.test"}}})))


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "Opened"},
        {"action": "opened\n"},
        {"action": None},
        {"action": 5},
        {"action": ["opened"]},
        {"pull": {"number": 0}},
        {"pull": {"number": -1}},
        {"pull": {"number": 2**53}},
        {"pull": {"number": 3.0}},
        {"pull": {"number": True}},
        {"pull": {"number": "3"}},
        {"pull": {"state": "merged"}},
        {"pull": {"state": ["open"]}},
        {"pull": {"draft": "no"}},
        {"pull": {"draft": 1}},
        {"pull": {"head": {"sha": "A" * 40}}},
        {"pull": {"head": {"sha": "a" * 39}}},
        {"pull": {"head": {"sha": "a" * 40 + "\n"}}},
        {"pull": {"head": {"sha": "--upload-pack=x".ljust(40, "a")}}},
        {"pull": {"head": None}},
        {"pull": {"head": "a" * 40}},
        {"pull": {"base": {"ref": "a\nb"}}},
        {"pull": {"base": {"ref": "x" * 1025}}},
        {"pull": {"base": {}}},
        {"pull": {"user": {"login": "a/../b"}}},
        {"pull": {"user": {"login": "a\u202eb"}}},
        {"pull": {"user": "alice"}},
        {"pull": {"updated_at": "yesterday"}},
        {"pull": {"updated_at": "2026-11-24T12:00:00"}},
        {"pull": {"updated_at": "2026-13-24T12:00:00Z"}},
        {"pull": {"updated_at": "0001-01-01T00:00:00+23:59"}},
        {"pull": {"updated_at": 1764000000}},
        {"pull": {"author_association": 1}},
        {"repository": {"id": 7, "full_name": "octo"}},
        {"repository": {"id": 7, "full_name": "octo/demo/x"}},
        {"repository": {"id": 7, "full_name": "../demo"}},
        {"repository": {"id": 7, "full_name": "octo/.."}},
        {"repository": {"id": 7, "full_name": "octo/."}},
        {"repository": {"id": 7, "full_name": "octo/de mo"}},
        {"repository": {"id": 7, "full_name": "octo/d\u00e9mo"}},
        {"repository": {"id": 0, "full_name": "octo/demo"}},
        {"repository": {"full_name": "octo/demo"}},
        {"repository": None},
        {"pull_request": None},
        {"pull_request": [1]},
        {"sender": {"login": ""}},
        {"action": "labeled", "label": {"name": None}},
        {"changes": "base"},
    ],
    ids=repr,
)
def test_json_without_the_events_shape_is_not_for_us(changes: dict[str, Any]) -> None:
    found = read(payload(**changes))
    assert isinstance(found, Unrelated)
    assert "shape" in found.reason


@pytest.mark.parametrize("body", [b"[]", b"null", b"3", b'"x"', b"{}", b"[[]]"])
def test_any_other_json_is_not_for_us(body: bytes) -> None:
    assert isinstance(read(body), Unrelated)
    assert isinstance(read(body, b"push"), Unrelated)
    assert isinstance(read(body, b"ping"), Unrelated)


def test_a_push_relabelled_as_a_pull_request_is_none() -> None:
    push = {"ref": "refs/heads/main", "after": "a" * 40, "repository": {"id": 7, "full_name": "octo/demo"}, "sender": {"login": "alice"}}
    assert isinstance(read(push), Unrelated)


def test_a_pull_request_relabelled_as_something_else_is_none() -> None:
    found = read(payload(), b"issue_comment")
    assert found == Unrelated("The event 'issue_comment' asks for no review.", "opened")


def test_a_ping_is_a_ping() -> None:
    assert read({"zen": "Design for failure.", "hook_id": 1, "hook": {}}, b"ping") == Ping()


# -- what is not JSON, in fields that are read and in fields that are skipped ------------------------------


def hostile(fragment: bytes) -> list[bytes]:
    """The fragment as a value at the top, deep inside, in a list, and in the place of a value that is read."""
    return [
        GOOD.replace(b'{"action"', b'{"x": ' + fragment + b', "action"'),
        GOOD.replace(b'"title": "A title"', b'"title": ' + fragment),
        GOOD.replace(b'"title": "A title"', b'"x": [1, {"y": [' + fragment + b"]}]"),
        GOOD.replace(b'"number": 3', b'"number": ' + fragment),
        GOOD.replace(b'"repo": null', b'"repo": ' + fragment),
        b'{"zen": ' + fragment + b"}",
    ]


FRAGMENTS = {
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "5,000 digits": b"9" * 5_000,
    "5,000 negative digits": b"-" + b"9" * 5_000,
    "5,000 decimals": b"0." + b"1" * 5_000,
    "a high surrogate": b'"\\ud800"',
    "a low surrogate": b'"x\\udc00y"',
    "a nesting bomb of lists": b"[" * 100_000 + b"]" * 100_000,
    "a nesting bomb of objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "bytes that are not UTF-8": b'"\xff\xfe"',
    "an overlong slash": b'"\xc0\xaf"',
    "a surrogate in UTF-8": b'"\xed\xa0\x80"',
    "a raw newline": b'"a\nb"',
    "a bad escape": b'"\\x41"',
    "a leading zero": b"012",
    "single quotes": b"'x'",
    "a comment": b"1 /* x */",
}


@pytest.mark.parametrize("event", [b"pull_request", b"ping", b"push", b"nonsense!"])
@pytest.mark.parametrize("name", FRAGMENTS)
def test_what_is_not_json_is_refused_wherever_it_stands(name: str, event: bytes) -> None:
    for body in hostile(FRAGMENTS[name]):
        with pytest.raises(ValueError):
            read(body, event)


@pytest.mark.parametrize(
    "twice",
    [
        (b'{"action"', b'{"action": "closed", "action"'),
        (b'"action": "opened"', b'"action": "opened", "act\\u0069on": "closed"'),
        (b'"number": 3, "state"', b'"number": 4, "number": 3, "state"'),
        (b'"state": "open"', b'"state": "closed", "state": "open"'),
        (b'"draft": false', b'"draft": true, "draft": false'),
        (b'"sha": "a', b'"sha": "' + b"c" * 40 + b'", "sha": "a'),
        (b'"head": {', b'"head": {"sha": "' + b"c" * 40 + b'"}, "head": {'),
        (b'"pull_request": {', b'"pull_request": ' + json.dumps(payload()["pull_request"]).encode() + b', "pull_request": {'),
        (b'"id": 7', b'"id": 8, "id": 7'),
        (b'"full_name"', b'"full_name": "evil/demo", "full_name"'),
        (b'"login"', b'"login": "mallory", "login"'),
        (b'"updated_at"', b'"updated_at": "2000-01-01T00:00:00Z", "updated_at"'),
    ],
    ids=lambda twice: twice[1][:24].decode(),
)
def test_a_key_that_comes_twice_among_what_is_read_is_refused(twice: tuple[bytes, bytes]) -> None:
    body = GOOD.replace(*twice, 1)
    assert body != GOOD
    with pytest.raises(ValueError):
        read(body)


@pytest.mark.parametrize("body", [b"", b" ", b"{", GOOD[:-1], GOOD + b"x", b"\xef\xbb\xbf" + GOOD, GOOD.decode().encode("utf-16")])
def test_a_body_that_is_not_whole_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        read(body)


def test_many_digits_in_a_text_are_only_text() -> None:
    assert isinstance(read(payload(pull={"title": "3." + "14159" * 2_000})), PullRequestEvent)


def test_a_number_that_is_merely_long_is_skipped() -> None:
    assert isinstance(read(GOOD.replace(b'{"action"', b'{"x": ' + b"9" * 4_000 + b', "action"')), PullRequestEvent)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_value_error(noise: bytes) -> None:
    for body in (noise, GOOD[:150] + noise + GOOD[150:]):
        with contextlib.suppress(ValueError):
            read(body)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.sampled_from(["action", "number", "pull_request", "repository", "sender", "label", "changes", "x"]), json_values)
def test_any_json_in_any_place_is_an_event_or_not_for_us(key: str, value: Any) -> None:
    assert isinstance(read(payload(**{key: value})), PullRequestEvent | Unrelated)


# -- headers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        (b"72d3162e-cc78-11e3-81ab-4c9367dc0958", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        (b"any string, of up to 128", "any string, of up to 128"),
        ("é".encode(), "é"),
        (b"x" * 128, "x" * 128),
        (b"x" * 129, "x" * 128),
        (b"a\x1b[31m", ""),
        (b"a\nb", ""),
        (b"", ""),
    ],
)
def test_a_delivery_id_is_kept_as_far_as_it_can_be_shown(given_id: bytes, kept: str) -> None:
    assert reader(CURRENT).delivery_id({b"x-github-delivery": given_id}) == kept


def test_no_delivery_id_is_none() -> None:
    assert reader(CURRENT).delivery_id({}) == ""


@pytest.mark.parametrize(
    ("claimed", "name"), [(b"pull_request", "pull_request"), (b"PULL", ""), (b"a" * 65, ""), (b"x\n", ""), (b"\xff", "")]
)
def test_an_event_name_is_a_word(claimed: bytes, name: str) -> None:
    assert reader(CURRENT).event_name({b"x-github-event": claimed}) == name


# -- recordings -------------------------------------------------------------------------------------------

RECORDED: dict[str, type] = {
    "pull_request/opened.payload.json": Review,
    "pull_request/opened.with-organization.payload.json": Review,
    "pull_request/synchronize.payload.json": Review,
    "pull_request/ready_for_review.payload.json": Review,
    "pull_request/converted_to_draft.payload.json": Cancel,
    "pull_request/closed.payload.json": Cancel,
    "pull_request/labeled.payload.json": Ignore,
    "pull_request/review_requested.payload.json": Ignore,
    "ping/payload.json": Ignore,
    "check_run/rerequested.payload.json": Ignore,
    "issue_comment/created.payload.json": Ignore,
}


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason="the recordings are not on this machine")
def test_every_recording_has_its_line_in_the_table() -> None:
    assert {str(path.relative_to(WEBHOOKS)) for path in WEBHOOKS.rglob("*.json")} == set(RECORDED)


@pytest.mark.skipif(not WEBHOOKS.is_dir(), reason="the recordings are not on this machine")
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_delivery_ends_as_it_should(name: str) -> None:
    body = (WEBHOOKS / name).read_bytes()
    headers = signed(body) | {b"x-github-event": name.split("/", maxsplit=1)[0].encode()}
    webhook = reader(CURRENT)
    assert webhook.authentic(body, headers)
    decision = decide(webhook.read(body, headers), ReviewPolicy(), (), "prreview-bot", datetime(2026, 11, 24, tzinfo=UTC))
    assert type(decision) is RECORDED[name]
    if isinstance(decision, Review):
        target = decision.target
        assert (target.repository_id, target.repository, target.number) == (186853002, "Codertocat/Hello-World", 2)
        assert target.head_sha == "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
        assert target.admitted


# -- what may be missing -----------------------------------------------------------------------------


def test_a_payload_without_state_and_time_is_an_open_pull_request_of_unknown_age() -> None:
    whole = payload()
    del whole["pull_request"]["state"], whole["pull_request"]["updated_at"]

    event = read(whole)

    assert (event.open, event.updated_at) == (True, None)
