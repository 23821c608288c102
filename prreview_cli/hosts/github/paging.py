"""Lists that come in pages. A page's number is ours: its address is never taken from an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from prreview_cli.hosts.github import requests
from prreview_cli.hosts.github.client import Answer
from prreview_cli.hosts.github.requests import Request

T = TypeVar("T")

MOST_PAGES = 50


@dataclass(frozen=True, slots=True)
class Pages(Generic[T]):
    """How each page (from 1) is asked for and read. `moved` is the refusal that a redirect means, "" where it means none."""

    what: str
    request: Callable[[int], Request]
    reader: Callable[[bytes], list[T]]
    size: int = requests.PAGE_SIZE
    most: int = MOST_PAGES
    moved: str = ""


def has_next(answer: Answer, listed: int, size: int) -> bool:
    """The Link header says it; where there is none, a full page says that there may be more."""
    links = answer.headers.get("link")
    return 'rel="next"' in links if links is not None else listed >= size
