"""A small Python project to review: its first commits, and as many plausible pull requests as are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Files = Mapping[str, str | None]
"""Path → new text; None deletes."""


@dataclass(frozen=True, slots=True)
class Change:
    """A commit to be: its message's first line and body, and what it does to the files."""

    title: str
    body: str
    files: Files


_PRICING = '''"""Prices, in cents throughout."""

from dataclasses import dataclass

VAT = {"de": 19, "fr": 20, "uk": 20}


@dataclass(frozen=True)
class Price:
    net: int
    country: str

    def gross(self) -> int:
        rate = VAT[self.country]
        return self.net + round(self.net * rate / 100)


def discounted(price: Price, percent: int) -> Price:
    if not 0 <= percent <= 100:
        raise ValueError(f"{percent} is no percentage")
    return Price(price.net - price.net * percent // 100, price.country)


def total(prices: list[Price]) -> int:
    return sum(price.gross() for price in prices)
'''

_ORDERS = '''"""Orders and their life."""

from dataclasses import dataclass, field

from shop.pricing import Price, total


@dataclass
class Order:
    number: int
    lines: list[Price] = field(default_factory=list)
    paid: bool = False

    def add(self, price: Price) -> None:
        if self.paid:
            raise RuntimeError("a paid order is closed")
        self.lines.append(price)

    def pay(self, cents: int) -> int:
        due = total(self.lines)
        if cents < due:
            raise ValueError(f"{due - cents} cents are missing")
        self.paid = True
        return cents - due
'''

_STOCK = '''"""What is on the shelf."""


class OutOfStock(Exception):
    pass


class Stock:
    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def put(self, article: str, count: int) -> None:
        self._count[article] = self._count.get(article, 0) + count

    def take(self, article: str, count: int = 1) -> None:
        if self._count.get(article, 0) < count:
            raise OutOfStock(article)
        self._count[article] -= count
'''

FIRST = Change(
    "A shop in three modules",
    "",
    {
        "README.md": "# shop\n\nA small shop, for trying things out.\n",
        "shop/__init__.py": "",
        "shop/pricing.py": _PRICING,
        "shop/orders.py": _ORDERS,
        "shop/stock.py": _STOCK,
    },
)
RULES = Change("Say how we review", "", {".prreview.md": "Money is in cents. A function that may fail says how.\n"})
MOVED_ON = Change(
    "Count what is left",
    "",
    {
        "shop/stock.py": _STOCK + "\n    def left(self, article: str) -> int:\n        return self._count.get(article, 0)\n",
        "CHANGES.md": "- Stock counts what is left.\n",
    },
)


def pull_request(number: int) -> Change:
    """The change of pull request `number`: an edit of one module and a new file that no other pull request has."""
    edit = _EDITS[number % len(_EDITS)]
    return Change(edit.title, edit.body, {**edit.files, f"examples/example_{number}.py": _EXAMPLE.format(number=number)})


_EXAMPLE = '''"""Pull request {number} in use."""

from shop.pricing import Price


def example() -> int:
    return Price({number}00, "de").gross()
'''


def _edit(title: str, body: str, path: str, *replacements: tuple[str, str]) -> Change:
    text = FIRST.files[path] or ""
    for old, new in replacements:
        text = text.replace(old, new)
    return Change(title, body, {path: text})


_EDITS = (
    _edit(
        "Round each line, not the sum",
        "Customers add up the lines themselves and find a cent too many.",
        "shop/pricing.py",
        ("round(self.net * rate / 100)", "int(self.net * rate / 100 + 0.5)"),
    ),
    _edit(
        "Let an order be paid in parts",
        "The till takes vouchers first and cash afterwards.",
        "shop/orders.py",
        ("    paid: bool = False\n", "    paid: bool = False\n    received: int = 0\n"),
        ("        if cents < due:\n", "        self.received += cents\n        if self.received > due:\n"),
    ),
    _edit(
        "Know the VAT of more countries",
        "",
        "shop/pricing.py",
        ('"uk": 20}', '"uk": 20, "es": 21, "it": 22}'),
        ("VAT[self.country]", "VAT.get(self.country, 0)"),
    ),
    _edit(
        "Take several articles at once",
        "All or nothing: nobody wants half a parcel.",
        "shop/orders.py",
        (
            "        self.lines.append(price)\n",
            "        self.lines.append(price)\n\n    def add_all(self, *prices: Price) -> None:\n        self.lines.extend(prices)\n",
        ),
    ),
    _edit(
        "Drop the check of the percentage",
        "Marketing wants to give 110 percent.",
        "shop/pricing.py",
        ('    if not 0 <= percent <= 100:\n        raise ValueError(f"{percent} is no percentage")\n', ""),
    ),
)
