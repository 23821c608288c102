"""The bill is capped before it is spent: prices, costs and upper bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prreview_cli.core.budget import PRICES, Measured, Tokens, cost, most_input_tokens, prices_of, worst_case
from prreview_cli.core.profile import Prices


@pytest.mark.parametrize(
    "name", ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "claude-sonnet-4-20250514", "claude-3-7-sonnet-latest"]
)
def test_a_known_model_and_its_dated_variants_have_the_familys_prices(name):
    assert prices_of(name) == Prices(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)


@pytest.mark.parametrize(
    "name",
    ["", "gpt-5", "claude-sonnet", "claude-sonnet-4-5-preview", "claude-haiku-5-5", "x-claude-sonnet-4-5", "claude-opus-4-20250514x"],
)
def test_an_unknown_model_has_no_prices(name):
    assert prices_of(name) is None


def test_a_newer_minor_version_is_not_mistaken_for_its_older_family():
    assert prices_of("claude-opus-4-1-20250805").output == 75.0
    assert prices_of("claude-opus-4-5-20251101").output == 25.0


@pytest.mark.parametrize("prices", PRICES.values(), ids=PRICES)
def test_every_price_is_positive_and_in_the_providers_order(prices):
    assert 0 < prices.cache_read < prices.input < prices.cache_write < prices.output


def test_a_call_costs_what_its_tokens_cost():
    prices = Prices(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)
    assert cost(Tokens(input=1_000_000), prices) == 3.0
    assert cost(Tokens(100, 40, 60, 25), prices) == pytest.approx((300 + 150 + 18 + 375) / 1e6)


counts = st.integers(0, 10**6)


@given(counts, counts, counts, counts, counts)
def test_no_call_costs_more_than_its_worst_case(plain, written, read, output, spare):
    prices = Prices(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)
    tokens = Tokens(plain, written, read, output)
    assert cost(tokens, prices) <= worst_case(tokens.all_input, output + spare, prices) + 1e-9


def test_the_first_request_is_bounded_by_its_bytes():
    assert most_input_tokens(b"x" * 1000, None) == 1000


def test_a_grown_conversation_is_bounded_by_what_was_counted_and_what_is_new():
    earlier = Measured(b'{"messages":[' + b"a" * 4000 + b'],"tools":[1]}', tokens=1100)
    grown = b'{"messages":[' + b"a" * 4000 + b"b" * 200 + b'],"tools":[1]}'
    assert most_input_tokens(grown, earlier) == 1100 + 200


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_the_bound_holds_even_if_every_byte_is_a_token(head, old, new, tail):
    earlier, body = head + old + tail, head + new + tail
    assert most_input_tokens(body, Measured(earlier, len(earlier))) == len(body)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_another_conversation_gains_nothing_beyond_what_it_shares(one, other):
    bound = most_input_tokens(one, Measured(other, 0))
    assert 0 <= bound <= len(one)
    assert bound == 0 or one != other
