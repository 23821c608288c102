from __future__ import annotations

import copy
import json
import pickle
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prreview_cli.secrecy import RULES, Matcher, Secret
from support.leaks import BODY, ENCODED, HOOK, KEY, OTHER_TOKENS, TOKENS, log_lines

NAMED = {"model_api_key": Secret(KEY), "webhook_secret": Secret(HOOK)}
MATCHER = Matcher(NAMED)

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
    length = data.draw(st.integers(12, len(BODY)))
    start = data.draw(st.integers(0, len(BODY) - length))
    encode = ENCODED[data.draw(st.sampled_from(sorted(ENCODED)))]

    assert MATCHER.holds(f"{data.draw(words)}{encode(BODY[start : start + length])}{data.draw(words)}") == ["model_api_key"]


@pytest.mark.parametrize("start", range(0, 40, 7))
def test_fewer_characters_are_not_a_leak(start: int) -> None:

    assert MATCHER.holds(f"… {BODY[start : start + 11]} …") == []


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

    assert text.encode()[hit.start : hit.end] == BODY.encode()
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
    for giving_it_away in (pickle.dumps, copy.copy, copy.deepcopy, json.dumps, Secret.__getstate__, vars):
        with pytest.raises(TypeError) as caught:
            giving_it_away(secret)
        assert "Zq7_" not in str(caught.value)
    assert secret.equals(KEY.encode())
    assert not secret.equals(b"other")


@pytest.mark.parametrize("rule", TOKENS)
@pytest.mark.parametrize("before", ["", " ", '"', "key=", "token%3D", "\\n", "\\u0022"])
def test_a_rule_finds_its_token_once_and_what_is_hidden_is_not_found(rule: str, before: str) -> None:
    text = f"{before}{TOKENS[rule]}\n"

    (hit,) = Matcher({}).search(text.encode())

    assert (hit.name, hit.encoding, hit.start) == (rule, "", len(before))
    hidden = Matcher({}).redact(text)
    assert Matcher({}).search(hidden.encode()) == []
    assert TOKENS[rule][-12:-6] not in hidden or rule == "private-key"


def test_a_private_key_is_found_and_hidden_in_a_json_log_as_well() -> None:
    text = TOKENS["private-key"].replace("\n", "\\n")

    assert [hit.name for hit in Matcher({}).search(text.encode())] == ["private-key"]
    assert Matcher({}).redact(text) == "[token hidden]\\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        "ghp_" + "x" * 36,
        "xghp_" + "a1B2c3D4e5F6" * 3,
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAQ3EGUXN5ZLRT7W2KMORE",
        "-----BEGIN RSA PRIVATE KEY----- is how the file begins, and then comes the rest",
        "-----BEGIN PUBLIC KEY-----\n" + "MIIEpAIBAAKCAQEAx7Rk2vQ9\n" * 4,
        "sk-ant-api03-R2D...igAA",
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "SecretAccessKey: usr/local/share/aaaa/local/share/aaaabbb",
        "dapi" + "0123456789abcdef" * 2,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
        "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
        (
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
            "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
        ),
        "risk-proj-management-and-a-rather-long-name-of-a-branch-of-nothing-much",
    ],
)
def test_what_only_looks_like_a_token_is_no_finding(text: str) -> None:
    assert Matcher({}).search(text.encode()) == []


def test_clean_logs_have_no_findings() -> None:
    assert MATCHER.search(log_lines(5_000).encode()) == []


def test_a_known_token_is_told_as_known_and_not_as_a_rule_as_well() -> None:
    matcher = Matcher({"host_token": Secret(TOKENS["github-token"])})

    hits = matcher.search(f"{TOKENS['github-token']} {TOKENS['aws-access-key']}".encode())

    assert [(hit.name, hit.encoding) for hit in hits] == [("host_token", "plain"), ("aws-access-key", "")]


def test_a_token_that_comes_to_light_when_what_stands_before_it_is_hidden_is_hidden_as_well() -> None:
    text = f"{KEY}{TOKENS['aws-access-key']}"

    assert MATCHER.redact(text) == "sk-ant-api03-[model_api_key hidden][token hidden]"


@settings(deadline=None)  # a busy machine is not a failure
@given(st.lists(st.tuples(st.sampled_from(sorted(ENCODED)), st.sampled_from([KEY, HOOK]), words), max_size=5), st.data())
def test_an_audit_of_what_was_hidden_finds_nothing(parts: list[tuple[str, str, str]], data: st.DataObject) -> None:
    pieces = [f"{ENCODED[encoding](value)}{after}" for encoding, value, after in parts]
    pieces += data.draw(st.lists(st.sampled_from(sorted(TOKENS.values())), max_size=3))
    text = "".join(data.draw(st.permutations(pieces)))

    hidden = MATCHER.redact(text)

    assert MATCHER.search(hidden.encode()) == []
    assert MATCHER.redact(hidden) == hidden


def test_threads_may_share_a_matcher() -> None:
    text = f"{log_lines(50)}{KEY}"
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.extend(MATCHER.redact(text) for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(results) == 80
    assert set(results) == {MATCHER.redact(text)}


BREAKS = ["\n", "\r\n", "\n    ", "\n  | ", "\n> ", "\\n", "\\r\\n", "\\\\n    ", "\\\n", "=\n", "\\n\\t"]


@pytest.mark.parametrize("gap", BREAKS)
@pytest.mark.parametrize("encoding", ["plain", "hex", "base64", "json, every letter", "node's buffer"])
def test_a_secret_that_is_wrapped_over_lines_is_found_and_hidden_whole(encoding: str, gap: str) -> None:
    encoded = ENCODED[encoding](BODY)
    width = 1 + len(encoded) // 4
    text = "x " + gap.join(encoded[at : at + width] for at in range(0, len(encoded), width)) + " y"

    (hit,) = MATCHER.search(text.encode())

    assert hit.name == "model_api_key"
    assert hit.end - hit.start >= len(text) - 18  # but for "x ", " y", and the letters that a neighbour shares
    hidden = MATCHER.redact(text)
    assert not [at for at in range(len(encoded) - 11) if encoded[at : at + 12] in hidden]


@pytest.mark.parametrize("gap", ["\n", "\\n  "])
def test_lines_too_short_to_be_a_leak_each_are_one_together(gap: str) -> None:
    text = gap.join(BODY[at : at + 11] for at in range(0, len(BODY), 11))

    assert MATCHER.redact(text) == "[model_api_key hidden]"


def test_words_that_were_parted_at_their_blanks_are_put_together() -> None:
    assert MATCHER.holds(HOOK.replace(" ", "\n  ")) == ["webhook_secret"]


def test_what_follows_on_the_next_line_is_not_hidden_with_it() -> None:
    assert MATCHER.redact(f"{KEY}\nnext\n{KEY}\n") == "sk-ant-api03-[model_api_key hidden]\nnext\nsk-ant-api03-[model_api_key hidden]\n"


@pytest.mark.parametrize("rule", OTHER_TOKENS)
def test_a_rule_finds_the_other_shapes_of_its_token(rule: str) -> None:
    text = f"key={OTHER_TOKENS[rule]}\n"

    assert [hit.name for hit in Matcher({}).search(text.encode())] == [rule]
    assert Matcher({}).search(Matcher({}).redact(text).encode()) == []


def test_every_rule_has_a_token_that_shows_it() -> None:
    assert {rule.name for rule in RULES} == set(TOKENS)


@pytest.mark.parametrize("rule", TOKENS)
def test_no_rule_finds_a_token_in_the_middle_of_a_word_or_one_that_a_manual_blanks_out(rule: str) -> None:
    token = TOKENS[rule]
    blank = token[:9] + "x" * (len(token) - 9)

    assert [hit.name for hit in Matcher({}).search(f"{blank}\n".encode()) if hit.name == rule] == []
    if rule not in {"private-key", "slack-webhook", "discord-webhook"}:
        assert Matcher({}).search(f"word{token}".encode()) == []
