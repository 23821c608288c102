"""Whether what the agent hands in is a review: its shape first, then each finding's place in the diff."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prreview_cli.core.diff import Diff, FileDiff
from prreview_cli.core.listing import name, near, size
from prreview_cli.core.review import Finding, Severity, Side, Submission
from prreview_cli.core.toolspecs import MAX_SUMMARY, MAX_TEXT, MAX_TITLE

MAX_BYTES = 50_000
"""All texts of a review together: below the 65,536 characters of one review on the host."""

_KEYS = ("path", "line", "start_line", "side", "severity", "title", "explanation", "suggestion")


class Refused(Exception):
    """What was handed in is not a review; the message tells the agent what to mend."""


def accept(arguments: Mapping[str, Any], diff: Diff, max_comments: int) -> Submission:
    """The review in these arguments of `submit_review`; Refused names everything that is wrong with it."""
    _only(arguments, ("summary", "findings"), "submit_review")
    summary = _text(arguments, "summary", MAX_SUMMARY)
    given = arguments.get("findings")
    if not isinstance(given, list):
        raise Refused("findings must be a list; hand in [] if there are none.")
    if len(given) > max_comments:
        raise Refused(f"{len(given)} findings are too many: keep the {max_comments} most important ones at most, and better fewer.")
    findings: list[Finding] = []
    wrong: list[str] = []
    for number, item in enumerate(given, 1):
        try:
            finding = _finding(item)
            _check_place(finding, diff)
            findings.append(finding)
        except Refused as refusal:
            wrong.append(f"Finding {number}{_titled(item)}: {refusal}")
    if wrong:
        raise Refused("The review was not taken. Mend this and hand in all of it again:\n" + "\n".join(wrong))
    total = sum(size(text) for f in findings for text in (f.title, f.explanation, f.suggestion or "")) + size(summary)
    if total > MAX_BYTES:
        raise Refused(
            f"All texts together have {total} bytes, {MAX_BYTES} are allowed. Shorten them or leave out the least important findings."
        )
    return Submission(summary, tuple(dict.fromkeys(findings)))


# -- shape -------------------------------------------------------------------------------------------


def _finding(item: object) -> Finding:
    if not isinstance(item, dict):
        raise Refused("It must be an object.")
    _only(item, _KEYS, "a finding")
    suggestion = item.get("suggestion")
    return Finding(
        path=_text(item, "path", 4_096, keep=True),
        line=_line(item, "line"),
        severity=Severity(_choice(item, "severity", Severity)),
        title=" ".join(_text(item, "title", MAX_TITLE).split()),
        explanation=_text(item, "explanation", MAX_TEXT),
        start_line=None if item.get("start_line") is None else _line(item, "start_line"),
        side=Side.RIGHT if item.get("side") is None else Side(_choice(item, "side", Side)),
        suggestion=None if suggestion is None or suggestion == "" else _text(item, "suggestion", MAX_TEXT, keep=True),
    )


def _only(given: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    if unknown := [key for key in given if key not in keys]:
        raise Refused(f"{what} has no {', '.join(repr(key)[:60] for key in unknown[:5])}; it has {', '.join(keys)}.")


def _text(given: Mapping[str, Any], key: str, limit: int, *, keep: bool = False) -> str:
    """The text under `key`, not empty, without outer white space unless `keep`."""
    text = given.get(key)
    if not isinstance(text, str) or not text.strip():
        raise Refused(f"{key} must be a text that is not empty.")
    if len(text) > limit:
        raise Refused(f"{key} has {len(text)} characters, {limit} are allowed.")
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise Refused(f"{key} holds a NUL or half a surrogate pair, which no page can show.")
    return text if keep else text.strip()


def _line(given: Mapping[str, Any], key: str) -> int:
    number = given.get(key)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise Refused(f"{key} must be a line's number, from 1 on.")
    return number


def _choice(given: Mapping[str, Any], key: str, choices: Iterable[str]) -> str:
    value, names = given.get(key), [str(choice) for choice in choices]
    if not isinstance(value, str) or value not in names:
        raise Refused(f"{key} must be one of {', '.join(names)}.")
    return value


def _titled(item: object) -> str:
    title = item.get("title") if isinstance(item, dict) else None
    return f" ({name(title[:MAX_TITLE])})" if isinstance(title, str) and title else ""


# -- place -------------------------------------------------------------------------------------------


def _check_place(finding: Finding, diff: Diff) -> None:
    file = diff.file(finding.path)
    if file is None:
        reason = dict(diff.omitted).get(finding.path)
        why = "is not a file that the pull request changes" if reason is None else f"has no diff to comment on: {reason}"
        raise Refused(f"{name(finding.path)} {why}. {near(diff, finding.path)}")
    if not file.hunks:
        raise Refused(f"{name(file.path)} has no line in the diff ({'binary' if file.binary else file.change}); say it in the summary.")
    start, end = finding.start_line or finding.line, finding.line
    if start > end:
        raise Refused(f"start_line {start} comes after line {end}.")
    for hunk in file.hunks:
        numbers = set(hunk.numbers(finding.side))
        if end in numbers and start in numbers:
            return
    where = f"line {end}" if start == end else f"lines {start} to {end} in one hunk"
    raise Refused(f"the diff of {name(file.path)} has no {where} on {finding.side}. {_valid_lines(file, finding.side, end)}")


def _valid_lines(file: FileDiff, side: Side, wanted: int) -> str:
    ranges = [(numbers[0], numbers[-1]) for hunk in file.hunks if (numbers := hunk.numbers(side))]
    if not ranges:
        return f"It has no line at all on {side}; use the other side."
    nearest = sorted(ranges, key=lambda ends: max(ends[0] - wanted, wanted - ends[1], 0))[:3]
    listed = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in sorted(nearest))
    return f"The nearest valid lines there: {listed}."
