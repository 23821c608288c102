from __future__ import annotations

import base64
import html
import json
import pickle
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prreview_cli.secrecy import Matcher, Secret

KEY = "sk-ant-api03-Zq7_xW2-mNb4Vc9Lk1Jh8Gf3Ds6Ap0Qw5Er7Ty2Ui4Op9AA"
HOOK = 'It\'s <a> "secret"/to & no one \\ é ünd 100% ✓ long'
NAMED = {"model_api_key": Secret(KEY), "webhook_secret": Secret(HOOK)}
MATCHER = Matcher(NAMED)

ENCODED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "json, unicode kept": lambda value: json.dumps(value, ensure_ascii=False),
    "json with slashes": lambda value: json.dumps(value).replace("/", "\\/"),
    "json twice": lambda value: json.dumps(json.dumps(value)),
    "url": lambda value: quote(value, safe=""),
    "url, a path": quote,
    "url, lower case": lambda value: "".join(c if quote(c, safe="") == c else quote(c, safe="").lower() for c in value),
    "url, every letter": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "html": html.escape,
    "hex": lambda value: value.encode().hex(),
    "hex, upper case": lambda value: value.encode().hex().upper(),
    "node's buffer": lambda value: f"<Buffer {value.encode().hex(' ')}>",
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64, one later": lambda value: base64.b64encode(b"x" + value.encode() + b"tail").decode(),
    "base64, two later": lambda value: base64.b64encode(b"u:" + value.encode() + b"t").decode(),
    "base64url": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
}

printable = st.characters(min_codepoint=33, max_codepoint=126)
secrets = st.text(printable, min_size=8, max_size=80)
webhook_secrets = st.text(st.characters(exclude_categories=("C", "Z")), min_size=8, max_size=50)
words = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz ,.\n"), max_size=60)


@pytest.mark.parametrize("encoding", ENCODED)
@pytest.mark.parametrize("name", NAMED)
def test_a_secret_is_found_in_every_encoding(name: str, encoding: str) -> None:
    text = f"before {ENCODED[encoding](NAMED[name].reveal())} after"

    assert MATCHER.holds(text) == [name]
    assert MATCHER.holds(MATCHER.redact(text)) == []
    assert f"[{name} hidden]" in MATCHER.redact(text)


@settings(deadline=None)  # a busy machine is not a failure
@given(st.one_of(secrets, webhook_secrets), st.sampled_from(sorted(ENCODED)), words, words)
@example("aaaaaaaa", "plain", "", "")
@example("sk-ant-api03-", "plain", "", "")
def test_no_encoding_of_any_secret_survives_wherever_it_stands(value: str, encoding: str, before: str, after: str) -> None:
    matcher = Matcher({"it": Secret(value)})
    encoded = ENCODED[encoding](value)

    hidden = matcher.redact(f"{before}{encoded}{after}")

    assert "[it hidden]" in hidden
    assert matcher.holds(hidden) == []
    assert matcher.redact(hidden) == hidden


@settings(deadline=None)  # a busy machine is not a failure
@given(st.data())
def test_twelve_characters_of_a_secret_in_a_row_are_found_wherever_they_stand(data: st.DataObject) -> None:
    body = KEY.removeprefix("sk-ant-api03-")
    length = data.draw(st.integers(12, len(body)))
    start = data.draw(st.integers(0, len(body) - length))
    encode = ENCODED[data.draw(st.sampled_from(sorted(ENCODED)))]

    assert MATCHER.holds(f"{data.draw(words)}{encode(body[start : start + length])}{data.draw(words)}") == ["model_api_key"]


@pytest.mark.parametrize("start", range(0, 40, 7))
def test_fewer_characters_are_not_a_leak(start: int) -> None:
    body = KEY.removeprefix("sk-ant-api03-")

    assert MATCHER.holds(f"… {body[start : start + 11]} …") == []


def test_the_public_prefix_is_not_a_leak() -> None:
    assert MATCHER.holds("Keys begin with sk-ant-api03- and so on, sk-ant-api03-...") == []


def test_a_run_of_one_letter_is_chance_unless_it_is_the_whole_secret() -> None:
    assert Matcher({"it": Secret("x" * 20 + "abcdefgh")}).holds("x" * 40) == []
    assert Matcher({"it": Secret("x" * 20)}).holds("x" * 20) == ["it"]


@settings(deadline=None)  # a busy machine is not a failure
@given(st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzABC0123456789+/=%\\\n\"'{}:, é✓\ud800"), max_size=400))
def test_clean_text_is_not_changed(text: str) -> None:
    assert MATCHER.redact(text) == text
    assert list(MATCHER.find(text.encode("utf-8", "surrogatepass"))) == []


def test_a_hit_names_place_and_secret_and_never_the_value() -> None:
    text = f"é {KEY}!"

    (hit,) = MATCHER.find(text.encode())

    assert text.encode()[hit.start : hit.end] == KEY.removeprefix("sk-ant-api03-").encode()
    assert (hit.name, hit.encoding) == ("model_api_key", "plain")
    assert "Zq7_" not in f"{hit!r} {MATCHER!r} {NAMED!r}"


def test_every_place_is_found_in_a_long_text() -> None:
    text = ("x" * 101).join([KEY] * 50)

    assert len(list(MATCHER.find(text.encode()))) == 50
    assert MATCHER.redact(text).count("[model_api_key hidden]") == 50


def test_two_secrets_side_by_side_are_both_hidden() -> None:
    assert MATCHER.holds(KEY + HOOK) == ["model_api_key", "webhook_secret"]
    assert MATCHER.holds(MATCHER.redact(KEY + HOOK)) == []


@pytest.mark.parametrize(
    "token",
    [
        "sk-ant-oat01-abcdefghij",
        "sk-ant-abcdefgh",
        "ghp_" + "a1B2" * 9,
        "gho_" + "a1B2" * 9,
        "ghu_" + "a1B2" * 9,
        "ghs_" + "a1B2" * 9,
        "ghs_1234567_eyJhbGciOi.eyJpc3MiOi-x.c2ln_bmF0dXJl",
        "github_pat_" + "11ABCDEFG0" * 3,
    ],
)
def test_what_has_the_shape_of_a_token_is_hidden_and_is_no_secret_of_ours(token: str) -> None:
    matcher = Matcher({})

    assert matcher.redact(f"a%3D{token} b") == "a%3D[token hidden] b"
    assert matcher.holds(token) == []
    assert matcher.redact("ghp_ sk-ant- sk-ant-… github_pat_ highs_and_lows") == "ghp_ sk-ant- sk-ant-… github_pat_ highs_and_lows"


def test_a_secret_that_is_too_short_to_look_for_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than 8") as caught:
        Matcher({"it": Secret("hunter2")})

    assert "hunter2" not in str(caught.value)


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(KEY)

    assert "Zq7_" not in f"{secret} {secret!r} {secret!s:>20} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret.equals(KEY.encode())
    assert not secret.equals(b"other")
