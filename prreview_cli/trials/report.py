"""A load test as one HTML page: no script, nothing loaded from anywhere, and a policy that forbids both."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from importlib.resources import files
from string import Template

from prreview_cli.trials import drawing
from prreview_cli.trials.progress import Options
from prreview_cli.trials.verdict import Result


def page(options: Options, result: Result, machine: Mapping[str, str], now: datetime) -> str:
    """The page; `now` is when it was made."""
    template = files("prreview_cli.trials").joinpath("report.html").read_text("utf-8")
    kept = not result.broken
    return Template(template).substitute(
        policy=_policy(template),
        mood="good" if kept else "bad",
        verdict="All promises kept." if kept else f"Broken: {escape(', '.join(result.broken))}.",
        figures="".join(_figure(value, label) for value, label in _figures(result)),
        promises="".join(_promise(promise.name, promise.figure, kept=promise.kept) for promise in result.promises),
        courses="".join(_courses(result)),
        acks=_chart(
            "Acknowledgements by milliseconds", drawing.distribution([ack.ms for ack in result.observed.acks if ack.accepted], "Acks")
        ),
        options=_rows(_options(options)),
        machine=_rows(machine.items()),
        complaints=_complaints(result),
        now=now.strftime("%Y-%m-%d %H:%M:%S UTC"),
    )


def _policy(template: str) -> str:
    """This one style sheet, by its hash, and nothing else."""
    style = re.search(r"<style>(.*?)</style>", template, re.DOTALL)
    digest = hashlib.sha256((style[1] if style else "").encode()).digest()
    return f"default-src 'none'; style-src 'sha256-{base64.b64encode(digest).decode()}'; base-uri 'none'; form-action 'none'"


def _figures(result: Result) -> list[tuple[str, str]]:
    acks, seen = result.acks, result.observed
    return [
        (str(acks.count), "acknowledged"),
        (f"{acks.p50_ms:.1f} ms", "ack p50"),
        (f"{acks.p99_ms:.1f} ms", "ack p99"),
        (f"{seen.peak_in_flight} of {seen.bound}", "in flight at most"),
        (str(len(seen.posted)), "posted"),
        (str(seen.duplicates), "posted twice"),
        (str(seen.lost), "lost"),
        (f"{result.drain_s:.1f} s", "drained in"),
    ]


def _courses(result: Result) -> Iterable[str]:
    samples = result.timeline
    for title, kind, points, bound in (
        ("Waiting in the queue", "waiting", [(sample.t_s, sample.queued) for sample in samples], None),
        ("Reviews in flight", "flying", [(sample.t_s, sample.in_flight) for sample in samples], result.observed.bound),
        ("Reviews posted", "posted", [(sample.t_s, sample.posted) for sample in samples], None),
    ):
        yield _chart(title, drawing.course(points, kind, title, bound=bound))


def _options(options: Options) -> list[tuple[str, str]]:
    return [
        ("burst", str(options.burst)),
        ("workers", str(options.workers)),
        ("duplicates", str(options.duplicates)),
        ("rate", "all at once" if options.rate is None else f"{options.rate:g} a second"),
        ("agent", options.agent),
        *(
            [("rounds", str(options.rounds)), ("kills", " or ".join(options.victims) or "nothing"), ("seed", str(options.seed))]
            if options.in_rounds
            else []
        ),
        ("limits of", options.limits.profile or "the trial's own profile"),
    ]


def _figure(value: str, label: str) -> str:
    return f"<div><strong>{escape(value)}</strong><span>{escape(label)}</span></div>"


def _promise(name: str, figure: str, *, kept: bool) -> str:
    mood, word = ("good", "kept") if kept else ("bad", "broken")
    return f'<tr><th scope="row">{escape(name)}</th><td class="{mood}">{word}</td><td>{escape(figure)}</td></tr>'


def _chart(title: str, svg: str) -> str:
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}</figure>"


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)


def _complaints(result: Result) -> str:
    if not result.last_words:
        return ""
    return f"<section><h2>The server's last complaints</h2><pre>{escape(chr(10).join(result.last_words))}</pre></section>"
