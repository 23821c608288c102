"""What `prreview review` hands over: one document, in the formats that were asked for."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from prreview_cli.cli.files import expect_writable, write
from prreview_cli.cli.output import print_json, print_text, safe, say, say_error
from prreview_cli.cli.wrapping import labelled, width
from prreview_cli.core import errors
from prreview_cli.core.errors import Failure, NotYetKept, UsageError
from prreview_cli.core.gate import FailOn
from prreview_cli.core.markup import json_without_commands, without_commands
from prreview_cli.core.profile import Profile
from prreview_cli.core.review import Review, Severity
from prreview_cli.reports import json as documents
from prreview_cli.reports import text
from prreview_cli.services.foreground import Result

LATER = ("markdown", "github", "sarif", "rdjson")
"""Formats of the specification that come with a later version."""

AGAIN = "Run it again later: a head that only this command asked for is left to no pool."
_LEFT_TO_POOLS = (
    errors.ModelRateLimited,
    errors.ModelOverloaded,
    errors.HostRateLimited,
    errors.HostWritesSpent,
    errors.AmbiguousPost,
    errors.CircuitOpen,
)
"""Failures whose own remedy is to do nothing, since a pool tries again."""


class Format(StrEnum):
    """How a review is handed over."""

    TEXT = "text"
    JSON = "json"


def format_of(name: str) -> Format:
    """The format of this name; NotYetKept for one of a later version, UsageError for none."""
    if name in LATER:
        raise NotYetKept(f"The format {name} is not in this version yet.", remedy="Use text or json; CHANGELOG names what comes.")
    try:
        return Format(name)
    except ValueError:
        raise UsageError(f"There is no format {name[:40]!a}.", remedy="Use text or json.") from None


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write, and how."""

    format: Format
    path: Path

    @classmethod
    def of(cls, option: str) -> Self:
        """From FORMAT=FILE; UsageError if it is not that or the file cannot be written."""
        name, equals, path = option.partition("=")
        if not equals or not path:
            raise UsageError(f"{option[:60]!a} is no output.", remedy="Write FORMAT=FILE, such as json=review.json.")
        output = cls(format_of(name), Path(path))
        expect_writable(output.path, "The output")
        return output

    def write(self, document: dict[str, Any]) -> None:
        """Write the document to the file."""
        write(self.path, f"{rendered(document, self.format)}\n", "The output")


def rendered(document: dict[str, Any], format: Format) -> str:  # noqa: A002 - the word of the option
    """The document in a format, safe to show on a terminal and in a CI runner's log."""
    if format is Format.JSON:
        return json_without_commands(json.dumps(document, indent=2))
    return without_commands("\n".join(safe(line) for line in text.render(document).split("\n")))


def print_document(document: dict[str, Any], format: Format) -> None:  # noqa: A002 - as above
    """The document on stdout."""
    if format is Format.JSON:
        print_json(document)
    else:
        columns = width()
        print_text("\n".join(_fitted(line, columns) for line in text.render(document).split("\n")))


def say_failure(failure: Failure, format: Format) -> None:  # noqa: A002 - as above
    """Why there is no review, and what to do; the reason is not said twice to one who reads the document on a terminal."""
    remedy = AGAIN if isinstance(failure, _LEFT_TO_POOLS) else failure.remedy
    if format is Format.TEXT and sys.stdout.isatty():
        say(remedy)
    else:
        say_error(str(failure), remedy)


def _fitted(line: str, columns: int) -> str:
    indent = line[: len(line) - len(line.lstrip(" "))]
    return labelled(indent, line.lstrip(" "), columns)


@dataclass(frozen=True, slots=True)
class Subject:
    """What was to be reviewed, as far as it is known. `head_sha` "": not yet."""

    repository: str
    number: int
    head_sha: str = ""


def document(profile: Profile, subject: Subject, result: Result, fail_on: FailOn, url: str | None) -> dict[str, Any]:
    """The document of SPEC §7 for what a review came to."""
    said = {"status": result.status.value, "reason": result.reason, "attempts": result.tries}
    if result.review is not None:
        return documents.of_review(_shown(result.review, result), fail_on.value, url) | said
    nothing = documents.Unreviewed(
        result.status,
        result.reason or "",
        profile.environment,
        subject.repository,
        subject.number,
        subject.head_sha,
        profile.model.name,
        result.usage,
        result.tries,
    )
    if result.review_id is not None and result.marker is not None:
        return documents.of_marker(result.marker, result.review_id, nothing, fail_on.value, url)
    return documents.of_nothing(nothing, fail_on.value)


def counts_of(result: Result) -> dict[Severity, int]:
    """The findings by severity; of a review that is not stored here, as its marker names them."""
    if result.review is not None:
        return result.review.counts()
    return {} if result.marker is None else dict(zip(Severity, result.marker.counts, strict=True))


def _shown(review: Review, result: Result) -> Review:
    return review if result.review_id is None else review.posted_as(result.review_id)
