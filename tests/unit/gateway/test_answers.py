"""What the provider's answers mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from prreview_cli.core import errors
from prreview_cli.gateway.answers import meaning, meaning_of_event, retry_at, told_to_agent

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def told(kind: str, text: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": text}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", errors.ModelKeyRejected),
        (401, told("authentication_error", "invalid x-api-key"), errors.ModelKeyRejected),
        (403, told("permission_error", "no"), errors.ModelForbidden),
        (404, told("not_found_error", "model: x"), errors.ModelGone),
        (404, b"<html>", errors.ModelUnreachable),
        (400, told("invalid_request_error", "Your credit balance is too low"), errors.CreditExhausted),
        (400, told("invalid_request_error", "max_tokens"), errors.ModelRefusedRequest),
        (400, b"Bad Request", errors.ModelUnreachable),
        (402, b"", errors.CreditExhausted),
        (413, told("request_too_large", "x"), errors.ModelRefusedRequest),
        (422, told("invalid_request_error", "x"), errors.ModelRefusedRequest),
        (429, b"", errors.ModelRateLimited),
        (500, b"", errors.ModelOverloaded),
        (502, b"<html>", errors.ModelOverloaded),
        (529, told("overloaded_error", "x"), errors.ModelOverloaded),
        (302, b"", errors.ModelUnreachable),
        (204, b"", errors.ModelUnreachable),
    ],
)
def test_each_answer_has_its_class(status, body, kind):
    assert type(meaning(status, body, None, str)) is kind


@pytest.mark.parametrize(
    "body", [b'{"error": 1}', b"[]", b'{"error": {"type": null}}', b"\xff", b"[" * 10_000, b'{"error": {"type": "x", "message": {"a": 1}}}']
)
def test_an_answer_of_any_shape_has_a_class(body):
    assert isinstance(meaning(500, body, None, str), errors.Failure)
    assert isinstance(meaning_of_event(body, str), errors.Failure)


def test_the_providers_text_is_redacted_then_cut_and_holds_no_control_character():
    text = "a\x1b]52;c;x\x07\r\nb\u202e" + "x" * 180 + "SECRETSECRET" + "y" * 500
    failure = meaning(400, told("invalid_request_error", text), None, lambda text: text.replace("SECRETSECRET", "*"))
    assert "SECRET" not in str(failure)
    assert len(str(failure)) < 260
    assert str(failure).isprintable()


def test_an_error_in_a_stream_has_the_class_that_its_kind_says():
    assert type(meaning_of_event(told("overloaded_error", "x"), str)) is errors.ModelOverloaded
    assert type(meaning_of_event(told("authentication_error", "x"), str)) is errors.ModelKeyRejected
    assert type(meaning_of_event(told("of_a_kind_to_come", "x"), str)) is errors.ModelUnreachable


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("0", 0), ("1.5", 1.5), ("Tue, 24 Nov 2026 12:01:00 GMT", 60)],
)
def test_a_hint_is_seconds_or_a_date(header, seconds):
    assert retry_at(header, NOON) == NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "soon",
        "-1",
        "nan",
        "inf",
        "99999999999999",
        "Tue, 24 Nov 2020 12:01:00 GMT",
        "Tue, 24 Nov 9999 12:01:00 GMT",
        "Tue, 24 Nov 2026 12:01:00 -0000",
    ],
)
def test_a_hint_that_makes_no_sense_is_none(header):
    assert retry_at(header, NOON) is None


def test_the_agent_is_told_a_constant_text():
    status, body = told_to_agent(errors.ModelKeyRejected("sk-ant-secret was rejected"))
    assert status == 401
    assert b"sk-ant" not in body
    assert json.loads(body)["type"] == "error"
