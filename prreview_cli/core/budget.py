"""What the model costs: the price table, what a call did cost, and what the next one may cost at most.

Everything is USD; prices are USD a million tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prreview_cli.core.profile import Prices

PRICES_AS_OF = "2026-10-24"
"""The day on which the table was held against the provider's list, https://platform.claude.com/docs/en/about-claude/pricing.

`cache_write` is the rate of a five-minute entry, the only kind the agent is allowed. Models whose
rate depends on the prompt's length (Haiku 5.5) are left out: they need `model.prices`.
"""

_OPUS_OLD = Prices(input=15.0, output=75.0, cache_read=1.5, cache_write=18.75)
_OPUS = Prices(input=5.0, output=25.0, cache_read=0.5, cache_write=6.25)
_SONNET_OLD = Prices(input=3.0, output=15.0, cache_read=0.3, cache_write=3.75)

PRICES: dict[str, Prices] = {
    "claude-fable-5": Prices(input=10.0, output=50.0, cache_read=1.0, cache_write=12.5),
    "claude-fable-5-1": Prices(input=10.0, output=50.0, cache_read=0.25, cache_write=12.5),
    "claude-opus-5-5": Prices(input=4.0, output=20.0, cache_read=0.2, cache_write=5.0),
    "claude-opus-5": _OPUS,
    "claude-opus-4-8": _OPUS,
    "claude-opus-4-7": _OPUS,
    "claude-opus-4-6": _OPUS,
    "claude-opus-4-5": _OPUS,
    "claude-opus-4-1": _OPUS_OLD,
    "claude-opus-4-0": _OPUS_OLD,
    "claude-opus-4": _OPUS_OLD,
    "claude-sonnet-5-5": Prices(input=2.0, output=10.0, cache_read=0.1, cache_write=2.5),
    "claude-sonnet-5": Prices(input=2.0, output=10.0, cache_read=0.2, cache_write=2.5),
    "claude-sonnet-4-6": _SONNET_OLD,
    "claude-sonnet-4-5": _SONNET_OLD,
    "claude-sonnet-4-0": _SONNET_OLD,
    "claude-sonnet-4": _SONNET_OLD,
    "claude-3-7-sonnet": _SONNET_OLD,
    "claude-haiku-4-5": Prices(input=1.0, output=5.0, cache_read=0.1, cache_write=1.25),
    "claude-3-5-haiku": Prices(input=0.8, output=4.0, cache_read=0.08, cache_write=1.0),
}
"""By family; a dated variant (`-20250929`) or `-latest` costs what its family costs."""

_VARIANT = re.compile(r"-(?:\d{8}|latest)")


def prices_of(model: str) -> Prices | None:
    """The prices of a known model or of a dated variant of one; None for any other."""
    if model in PRICES:
        return PRICES[model]
    found = _VARIANT.search(model)
    return PRICES.get(model[: found.start()]) if found and found.end() == len(model) else None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What one answer was billed for, as the Messages API reports it: the three input counts are disjoint."""

    input: int = 0
    cache_write: int = 0
    cache_read: int = 0
    output: int = 0

    @property
    def all_input(self) -> int:
        """Every input token, however it was billed."""
        return self.input + self.cache_write + self.cache_read


def cost(tokens: Tokens, prices: Prices) -> float:
    """USD that these tokens cost."""
    return (
        tokens.input * prices.input
        + tokens.cache_write * prices.cache_write
        + tokens.cache_read * prices.cache_read
        + tokens.output * prices.output
    ) / 1e6


def worst_case(input_tokens: int, max_tokens: int, prices: Prices) -> float:
    """USD that a request with at most so many input tokens can cost: all of them at the dearest input
    rate, and an answer as long as it may be."""
    return (input_tokens * max(prices.input, prices.cache_write, prices.cache_read) + max_tokens * prices.output) / 1e6


@dataclass(frozen=True, slots=True)
class Measured:
    """A request body whose input the provider has counted."""

    body: bytes
    tokens: int


def most_input_tokens(body: bytes, earlier: Measured | None) -> int:
    """An upper bound of the input tokens of a request, from its bytes alone.

    A token stands for one byte at least. In a conversation the next body repeats most of an earlier
    one: what is the same at both ends cannot be more tokens than the whole was, so only the part
    between has to be bounded by its bytes. Without that, a long review would be stopped at a
    fraction of its cap.
    """
    if earlier is None:
        return len(body)
    head = _common(body, earlier.body, from_end=False)
    shorter = min(len(body), len(earlier.body))
    tail = min(_common(body, earlier.body, from_end=True), shorter - head)
    return min(len(body), earlier.tokens + len(body) - head - tail)


def _common(one: bytes, other: bytes, *, from_end: bool) -> int:
    """How many bytes two texts share at their beginning (or end), by halving: the comparisons run in C."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        same = one[-middle:] == other[-middle:] if from_end else one[:middle] == other[:middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return low
