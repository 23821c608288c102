"""How a digest reads: as text, as Markdown, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prreview_cli.cli.formats import duration, moment, short_moment
from prreview_cli.cli.output import print_table, print_text
from prreview_cli.cli.wrapping import labelled, width
from prreview_cli.core import markup
from prreview_cli.core.job import State
from prreview_cli.core.review import Severity
from prreview_cli.services.digest import Digest, Tally, Version

MOST_ROWS = 20
"""Rows of one table for people; --json has them all."""
COLUMNS = ("REVIEWS", "PARTIAL", "ERR/WARN/INFO", "EACH", "USD")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading; the first column holds words, the others figures."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]


def cannot_tell(pruned: int | None) -> list[str]:
    """What the database does not know. `pruned`: jobs are kept for so many days, and the period is longer."""
    told = [
        "whether the authors acted on a finding, or whether it was right: nobody is asked",
    ]
    return [*told, f"what ended more than {pruned} days ago: those jobs are pruned (state.keep_days)"] if pruned else told


def print_digest(digest: Digest, environment: str, pruned: int | None) -> None:
    """For a terminal or a mail."""
    columns = width()
    print_text("\n".join([_title(digest, environment), "", *(labelled(f"{name:<12}", value, columns) for name, value in _facts(digest))]))
    for table in _tables(digest):
        print_text("")
        print_table(table.columns, table.rows[:MOST_ROWS])
        if len(table.rows) > MOST_ROWS:
            print_text(f"and {len(table.rows) - MOST_ROWS} more (see --json)")
    print_text("\n".join(["", "It cannot tell", *(labelled("  - ", each, columns) for each in cannot_tell(pruned))]))


def markdown(digest: Digest, environment: str, pruned: int | None) -> str:
    """For a page or a chat; what strangers wrote is made inert."""
    lines = [f"## prreview: {_title(digest, environment)}", "", *(f"- **{name}** {value}" for name, value in _facts(digest))]
    for table in _tables(digest):
        lines += ["", _row(column.lower() for column in table.columns)]
        lines.append(_row(["---", *("--:" for _ in table.columns[1:])]))
        for row in table.rows[:MOST_ROWS]:
            lines.append(_row([_cell(row[0]), *map(str, row[1:])]))
        if len(table.rows) > MOST_ROWS:
            lines += ["", f"and {len(table.rows) - MOST_ROWS} more"]
    return "\n".join([*lines, "", "It cannot tell:", "", *(f"- {each}" for each in cannot_tell(pruned))])


def as_json(digest: Digest, environment: str, pruned: int | None) -> dict[str, Any]:
    """For scripts; USD, seconds."""
    latency, usage = digest.latency, digest.usage
    return {
        "environment": environment,
        "since": moment(digest.since),
        "until": moment(digest.until),
        "jobs": {state.value: count for state, count in digest.outcomes.items()},
        "unfinished": digest.unfinished,
        "found_on_host": digest.found,
        **_tally_json(digest.all),
        "usd": round(usage.usd, 6),
        "model_calls": usage.model_calls,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "usd_by_day": {day.isoformat(): round(usd, 6) for day, usd in digest.usd_by_day.items()},
        "latency_s": None if latency is None else {"reviews": latency.reviews, "p50": round(latency.p50, 3), "p90": round(latency.p90, 3)},
        "failures": dict(digest.failures),
        "dead": dict(digest.dead),
        "skipped": [{"reason": reason, "jobs": count} for reason, count in digest.skipped.items()],
        "repositories": [{"repository": name, **_tally_json(tally)} for name, tally in digest.repositories.items()],
        "versions": [
            {"contract_version": version.contract, "guidelines_version": version.guidelines, "model": version.model, **_tally_json(tally)}
            for version, tally in digest.versions.items()
        ],
        "cannot_tell": cannot_tell(pruned),
    }


def _tally_json(tally: Tally) -> dict[str, Any]:
    return {
        "reviews": {"posted": tally.reviews, "partial": tally.partial, "without_finding": tally.silent, "usd": round(tally.usd, 6)},
        "findings": {severity.value: count for severity, count in tally.findings.items()},
    }


def _title(digest: Digest, environment: str) -> str:
    return f"{environment}, {short_moment(digest.since)} to {short_moment(digest.until)}"


def _facts(digest: Digest) -> list[tuple[str, str]]:
    made, usage, latency, outcomes = digest.all, digest.usage, digest.latency, digest.outcomes
    posted = f"{outcomes[State.POSTED]}: {made.reviews - made.partial} complete, {made.partial} partial"
    counts = ", ".join(f"{made.findings[severity]} {severity}" for severity in Severity)
    each = "" if made.per_review is None else f"; {made.per_review:.1f} a review, none in {made.silent} of {made.reviews}"
    return [
        ("posted", posted + (f", {digest.found} found on the host" if digest.found else "")),
        ("skipped", str(outcomes[State.SKIPPED])),
        ("superseded", str(outcomes[State.SUPERSEDED])),
        ("dead", str(outcomes[State.DEAD]) + ("; see `prreview jobs list --state dead`" if outcomes[State.DEAD] else "")),
        ("unfinished", f"{digest.unfinished} waiting or running now"),
        ("findings", f"{sum(made.findings.values())}: {counts}{each}"),
        ("cost", f"{usage.usd:.2f} USD in {usage.model_calls} model calls" + _dearness(digest)),
        ("spent", f"{sum(digest.usd_by_day.values()):.2f} USD on the UTC days of the period{_dearest(digest)}"),
        ("latency", "-" if latency is None else f"p50 {duration(latency.p50)}, p90 {duration(latency.p90)}, from accepted to posted"),
    ]


def _dearness(digest: Digest) -> str:
    """What a posted review cost, and what led to none."""
    made = digest.all
    wasted = max(0.0, digest.usage.usd - made.usd)
    return (f"; {made.usd / made.reviews:.2f} a posted review" if made.reviews else "") + (f"; {wasted:.2f} led to none" if wasted else "")


def _dearest(digest: Digest) -> str:
    if not digest.usd_by_day:
        return ""
    day, usd = max(digest.usd_by_day.items(), key=lambda pair: pair[1])
    return f", most on {day.isoformat()}: {usd:.2f}"


def _tables(digest: Digest) -> list[Table]:
    """Those that have rows."""
    all_ = [
        Table(("REPOSITORY", *COLUMNS), [(name, *_figures(tally)) for name, tally in digest.repositories.items()]),
        Table(
            ("MADE WITH", *COLUMNS),
            [(_made_with(version), *_figures(tally)) for version, tally in digest.versions.items()],
        ),
        Table(("FAILED ATTEMPTS", "TIMES"), list(digest.failures.items())),
        Table(("DEAD", "JOBS"), list(digest.dead.items())),
        Table(("SKIPPED", "JOBS"), list(digest.skipped.items())),
    ]
    return [table for table in all_ if table.rows]


def _figures(tally: Tally) -> tuple[object, ...]:
    counts = "/".join(str(tally.findings[severity]) for severity in Severity)
    return (tally.reviews, tally.partial, counts, f"{tally.per_review or 0:.1f}", f"{tally.usd:.2f}")


def _made_with(version: Version) -> str:
    guidelines = "no guidelines" if version.guidelines is None else f"guidelines {version.guidelines[:10]}"
    return f"contract {version.contract}, {guidelines}, {version.model}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    return markup.inline(str(value)).replace("|", "\\|")
