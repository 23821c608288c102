"""A document for a person: what it came to, the findings worst first, what was left out, what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prreview_cli.core.review import Severity


def render(document: dict[str, Any]) -> str:
    """Lines of text, without a line break at the end. What strangers and the model wrote is not yet safe for a terminal."""
    return "\n".join(_lines(document))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield "  ".join(part for part in (_subject(document), (document["reviewed_sha"] or "")[:12], document["status"]) if part)
    if document["reason"]:
        yield str(document["reason"])
    if document["summary"]:
        yield from ("", document["summary"])
    order = [severity.value for severity in Severity]
    for finding in sorted(document["findings"], key=lambda finding: order.index(finding["severity"])):
        yield from ("", f"{finding['severity']}: {_place(finding)}: {finding['title']}")
        yield from (f"  {line}" for line in finding["explanation"].split("\n"))
    if not document["findings"] and any(document["counts"].values()):
        yield "Its marker counts " + ", ".join(f"{number} {severity}" for severity, number in document["counts"].items()) + "."
    for omission in document["coverage"]["omitted"]:
        yield f"not reviewed: {omission['path']}: {omission['reason']}"
    usage = document["usage"]
    calls = f"{usage['model_calls']} model call{'' if usage['model_calls'] == 1 else 's'}"
    yield from ("", f"{calls}, {usage['usd']:.4f} USD; {_posted(document['posted'])}")


def _subject(document: dict[str, Any]) -> str:
    """A local range has no number."""
    return f"{document['repository']}#{document['number']}" if document["number"] else str(document["repository"])


def _place(finding: dict[str, Any]) -> str:
    first = finding.get("start_line")
    lines = f"{finding['line']}" if first in {None, finding["line"]} else f"{first}-{finding['line']}"
    return f"{finding['path']}:{lines}{' (before the change)' if finding['side'] == 'LEFT' else ''}"


def _posted(posted: dict[str, Any] | None) -> str:
    if posted is None:
        return "not posted"
    return f"posted as {posted['review_id']}" + (f", {posted['url']}" if posted.get("url") else "")
