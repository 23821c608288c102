from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from prreview_cli.trials import drawing
from prreview_cli.trials.burst import Ack
from prreview_cli.trials.progress import Options
from prreview_cli.trials.report import page
from prreview_cli.trials.verdict import Observed, Result, Sample, judge

SEEN = Observed(2, ("octo/shop#1",), 1, (Ack("octo/shop#1", 200, "queued", 4.0),), ("octo/shop#1",), 1, 1, 0, (), 0)
COURSE = (Sample(0.0, 0, 0, 0), Sample(0.4, 1, 1, 0), Sample(2.0, 0, 0, 1))


def report(seen: Observed = SEEN, words: tuple[str, ...] = ()) -> str:
    result = Result("scripted", seen, COURSE, 1.6, judge(seen), words)
    return page(Options(burst=1, workers=2), result, {"cores": "2"}, datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_the_page_has_the_charts_the_promises_the_options_and_the_machine() -> None:
    text = report()
    assert "All promises kept." in text
    assert text.count("<svg") == 4
    assert "bound 2" in text
    for shown in (
        "Acknowledged is durable",
        "0 lost, 1 of 1 reviewed",
        "<dt>cores</dt><dd>2</dd>",
        "<dt>burst</dt><dd>1</dd>",
        "2025-01-02 03:04:05",
    ):
        assert shown in text


def test_the_page_loads_nothing_and_its_policy_allows_its_own_style_sheet_alone() -> None:
    text = report()
    assert re.search(r"https?:|src=|@import|<script|url\(|style=|<link", text) is None
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in text


def test_a_broken_promise_is_named_at_the_top_and_what_the_server_said_cannot_come_alive() -> None:
    text = report(replace(SEEN, posted=SEEN.posted * 2), ("<script>alert(1)</script>",))
    assert "Broken: Once." in text
    assert '<td class="bad">broken</td>' in text
    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("points", [[(0.0, 0)], [(0.0, 0), (0.0, 3)], [(0.0, 1), (7.5, 4), (900.0, 0)], [(0.0, 0), (1.0, 10_000)]])
def test_a_course_stays_within_its_frame(points: list[tuple[float, int]]) -> None:
    svg = ET.fromstring(drawing.course(points, "waiting", "A < B", bound=3))
    numbers = [float(number) for path in svg.iter("path") for number in re.findall(r"[\d.]+", path.get("d") or "")]
    assert max(numbers[::2]) <= drawing.WIDTH
    assert all(0 <= number <= drawing.HEIGHT for number in numbers[1::2])


@pytest.mark.parametrize("values", [[], [0.0], [3.0], [1.0, 99.9, 100.0], [0.02, 12_000.0]])
def test_a_distribution_counts_every_value(values: list[float]) -> None:
    svg = ET.fromstring(drawing.distribution(values, "Acks"))
    assert bool(list(svg.iter("rect"))) is bool(values)
