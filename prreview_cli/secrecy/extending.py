"""How far a form goes on around a place where a piece of it stands, over line breaks too: terminals, mail and YAML wrap."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right

from prreview_cli.secrecy.encodings import Form

_DIFFERENT = 4
"""A part with fewer different units than this ("------------") is chance, unless it is the whole secret."""
_LONGEST_BREAK = 64
_SPARE = 256

# A line break, bare or as a literal \n, at any depth of escaping, after a continuation mark, and what the next line begins with.
_BREAK = rb"(?:[\\=]?\r?\n|(?:\\+r)?\\+n)(?:[ \t|>]|\\+t)*"
_BREAK_AHEAD, _BREAK_BEHIND = re.compile(_BREAK), re.compile(rb"(?:" + _BREAK + rb")\Z")
_BLANK = ord(" ")


def room(form: Form) -> int:
    """The most bytes of a text that a form and the line breaks in it can take."""
    return 2 * len(form.data) + _SPARE


def extend(form: Form, offset: int, data: bytes, at: int) -> tuple[int, int] | None:
    """How far the form goes on to both sides of the place where `form.data[offset]` meets `data[at]`.

    None if it is too little to be a leak. No letter of several bytes is cut in two.
    """
    # In a form that is not ASCII a break could part the bytes of one letter.
    spare = len(form.data) + _SPARE if form.data.isascii() else 0
    low, start, spare = _back(form.data, offset, data, at, spare)
    high, end = _ahead(form.data, offset, data, at, spare)
    first, last = bisect_left(form.bounds, low), bisect_right(form.bounds, high) - 1
    if last - first < form.least:
        return None
    units = [form.data[form.bounds[index] : form.bounds[index + 1]] for index in range(first, last)]
    if len(set(units)) < _DIFFERENT and high - low < len(form.data) - 1:
        return None
    if form.data.isascii():
        return start, end
    return start + form.bounds[first] - low, end - (high - form.bounds[last])


def _back(form: bytes, index: int, data: bytes, at: int, spare: int) -> tuple[int, int, int]:
    """Where form and data begin to agree, and how many bytes of breaks are still allowed."""
    low, start = index, at
    while index > 0 and at > 0:
        if form[index - 1] == data[at - 1]:
            low, start = index, at = index - 1, at - 1
            continue
        gap = _BREAK_BEHIND.search(data[max(0, at - _LONGEST_BREAK) : at])
        if gap is None or len(gap[0]) > spare:
            break
        at, spare = at - len(gap[0]), spare - len(gap[0])
        index -= form[index - 1] == _BLANK  # the break stands in its place
    return low, start, spare


def _ahead(form: bytes, index: int, data: bytes, at: int, spare: int) -> tuple[int, int]:
    """Behind which bytes form and data agree no more."""
    high, end = index, at
    while index < len(form) and at < len(data):
        if form[index] == data[at]:
            high, end = index, at = index + 1, at + 1
            continue
        gap = _BREAK_AHEAD.match(data, at, at + _LONGEST_BREAK)
        if gap is None or len(gap[0]) > spare:
            break
        at, spare = gap.end(), spare - len(gap[0])
        index += form[index] == _BLANK
    return high, end
