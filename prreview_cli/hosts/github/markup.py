"""A review as GitHub's reader sees it: one body, and comments at their lines.

Pure and deterministic. Everything that the model, the pull request or the host said goes through
`core.markup`; all other Markdown here is ours. The whole post stays under GitHub's limits (65,536
characters a body, about 30 comments) with room for the notice that a later review puts on top.
"""

from __future__ import annotations

from collections.abc import Iterable

from prreview_cli.core import marker
from prreview_cli.core.markup import code, fence, fit, inline, size
from prreview_cli.core.review import Finding, Review, ReviewStatus, Severity
from prreview_cli.hosts.github.requests import Comment, NewReview

MOST_COMMENTS = 30
LARGEST_BODY = 60_000
SUMMARY, LIST, ENTRY, LINE, TITLE = 8_000, 5_000, 600, 300, 300
COMMENT, ALL_COMMENTS = 6_000, 36_000
"""Bytes: of the body's summary, of each of its lists, of an entry in one, of any single line, of a finding's title;
of one comment, and of all together. The sum is a post of less than 60,000."""

_OUTDATED = "> **Outdated.**"


def post(review: Review) -> NewReview:
    """The review as one post. Findings beyond the comments' number, or without a line to stand on, go into the body."""
    worst_first = sorted(review.findings, key=lambda finding: list(Severity).index(finding.severity))
    placed = [finding for finding in worst_first if _has_place(finding)][:MOST_COMMENTS]
    chosen = {id(finding) for finding in placed}
    others = [finding for finding in worst_first if id(finding) not in chosen]
    room = min(COMMENT, ALL_COMMENTS // max(len(placed), 1))
    return NewReview(review.reviewed_sha, _body(review, others), tuple(_comment(finding, room) for finding in placed))


def marker_of(review: Review) -> marker.Marker:
    """The marker by which this review is found again."""
    identity = marker.Identity(review.environment, review.repository_id, review.number, review.reviewed_sha, review.run)
    counts = review.counts()
    return marker.Marker(
        identity, review.contract_version, review.status, (counts[Severity.ERROR], counts[Severity.WARNING], counts[Severity.INFO])
    )


def is_outdated(body: str) -> bool:
    """Whether the notice stands on top already."""
    return body.startswith(_OUTDATED)


def outdated(body: str, found: marker.Marker, newer_sha: str) -> str:
    """An earlier review's body under the notice that a newer head was reviewed; its marker still closes it."""
    if is_outdated(body):
        return body
    notice = f"{_OUTDATED} This is about {code(_short(found.identity.head_sha))}; {code(_short(newer_sha))} was reviewed since.\n\n"
    # Only a body that somebody else made longer does not fit.
    return notice + (body if size(body) <= LARGEST_BODY - size(notice) else marker.render(found))


# -- the comments ----------------------------------------------------------------------------------


def _has_place(finding: Finding) -> bool:
    """Whether GitHub can find its place; one that it cannot find costs the whole post."""
    if "\ufffd" in finding.path:  # the name is not UTF-8, so it cannot be told in JSON
        return False
    return 0 < (finding.line if finding.start_line is None else finding.start_line) <= finding.line


def _comment(finding: Finding, room: int) -> Comment:
    start = finding.start_line if finding.start_line != finding.line else None
    return Comment(finding.path, finding.line, finding.side, _remark(finding, room), start)


def _remark(finding: Finding, room: int) -> str:
    parts = [f"**{finding.severity.value.capitalize()}:** {fit(finding.title, min(TITLE, room // 4), inline)}"]
    if finding.suggestion is not None and finding.suggestion.strip():
        # A block that can be applied with one click is never made: what is applied was read by a person first.
        parts += ["Suggested:", fit(finding.suggestion, room // 3, fence)]
    explanation = fit(finding.explanation, room - size("\n\n".join(parts)) - 2)
    return "\n\n".join(part for part in (parts[0], explanation, *parts[1:]) if part)


# -- the body --------------------------------------------------------------------------------------


def _body(review: Review, others: list[Finding]) -> str:
    notes = [fit(note, ENTRY, inline) for note in review.notes]
    if review.reason:
        notes.append(fit(review.reason, ENTRY, inline))
    parts = [
        _opening(review),
        fit(review.summary, SUMMARY),
        _section("Further findings", (_entry(finding) for finding in others)),
        _section("Not reviewed", (f"{_path(omission.path)}: {fit(omission.reason, LINE, inline)}" for omission in review.coverage.omitted)),
        _section("Notes", notes),
        "---",
        _footer(review),
        marker.render(marker_of(review)),
    ]
    return "\n\n".join(part for part in parts if part)


def _opening(review: Review) -> str:
    found = [_number(count, severity.value) for severity, count in review.counts().items() if count]
    result = ", ".join(found) if found else "nothing to report"
    commit = code(_short(review.reviewed_sha))
    if review.status is ReviewStatus.COMPLETE:
        return f"**Review** of {commit}: {result}."
    files = len(review.coverage.reviewed) + len(review.coverage.omitted)
    left_out = f"{len(review.coverage.omitted)} of {_number(files, 'changed file')} not reviewed"
    return f"**{review.status.value.capitalize()} review** of {commit}, {left_out}: {result}."


def _entry(finding: Finding) -> str:
    place = f"{_path(finding.path)} {code(str(finding.line))}"
    title, said = fit(finding.title, LINE, inline), fit(finding.explanation, ENTRY, inline)
    return f"**{finding.severity.value.capitalize()}** {place}: {title} {said}"


def _section(title: str, entries: Iterable[str]) -> str:
    """A list under a title, as long as there is room; "" without entries."""
    lines = [f"- {entry}" for entry in entries]
    shown: list[str] = []
    for line in lines:
        if size("\n".join([*shown, line])) > LIST:
            break
        shown.append(line)
    if len(shown) < len(lines):
        shown.append(f"- and {len(lines) - len(shown)} more")
    return f"**{title}**\n\n" + "\n".join(shown) if lines else ""


def _footer(review: Review) -> str:
    usage = review.usage
    facts = [
        f"model {_brief(review.model)}",
        f"contract {_brief(review.contract_version)}",
        f"guidelines {_brief(review.guidelines_version[:12])}" if review.guidelines_version else "",
        f"{usage.usd:.4f} USD in {_number(usage.model_calls, 'model call')}",
        f"after {_number(review.attempts, 'failed attempt')}" if review.attempts else "",
        f"environment {_brief(review.environment)}",
    ]
    return "prreview: " + ", ".join(fact for fact in facts if fact)


def _path(path: str) -> str:
    return fit(path, LINE, code)


def _brief(text: str) -> str:
    return fit(text, 100, code)


def _short(sha: str) -> str:
    return sha[:10]


def _number(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
