"""The document and its text form."""

from __future__ import annotations

import json
from dataclasses import replace

from prreview_cli.core.review import Coverage, Finding, Omission, ReviewStatus, Severity, Side, Usage
from prreview_cli.reports import json as documents
from prreview_cli.reports import text
from prreview_cli.reports.json import Unreviewed
from support.stores import REVIEW

KEYS = {
    *("schema_version", "status", "reason", "environment", "repository", "number", "base_sha", "reviewed_sha", "contract_version"),
    *("model", "summary", "findings", "counts", "coverage", "usage", "attempts", "posted", "fail_on"),
}
SKIPPED = Unreviewed(ReviewStatus.SKIPPED, "A fork has no secrets.", "ci", "octo/demo", 12, "", "claude", Usage(0, 0, 0.0, 0))


def test_every_document_has_the_keys_of_the_specification_and_the_chosen_gate() -> None:
    reviewed, nothing = documents.of_review(REVIEW, "warning"), documents.of_nothing(SKIPPED, "warning")
    assert reviewed.keys() >= KEYS
    assert nothing.keys() == reviewed.keys()
    assert (reviewed["fail_on"], nothing["fail_on"]) == ("warning", "warning")
    assert json.loads(json.dumps(nothing)) == nothing


def test_what_was_not_reviewed_is_never_shown_as_covered_or_posted() -> None:
    nothing = documents.of_nothing(SKIPPED, "never")
    assert (nothing["status"], nothing["coverage"]["full"], nothing["posted"], nothing["findings"]) == ("skipped", False, None, [])


def test_a_posted_review_names_its_id_and_page() -> None:
    posted = documents.of_review(REVIEW.posted_as("77"), "never", "https://host/77")["posted"]
    assert posted == {"review_id": "77", "url": "https://host/77"}
    assert "posted as 77, https://host/77" in text.render(documents.of_review(REVIEW.posted_as("77"), "never", "https://host/77"))


def test_the_text_has_the_worst_first_and_names_what_was_left_out() -> None:
    findings = (
        Finding("b.py", 9, Severity.INFO, "Minor", "It is.", start_line=7, side=Side.LEFT),
        Finding("a.py", 3, Severity.ERROR, "Wrong", "It is.\nVery."),
    )
    review = replace(REVIEW, findings=findings, coverage=Coverage(("a.py",), (Omission("c.bin", "it is binary"),)))
    lines = text.render(documents.of_review(review, "never")).split("\n")
    assert lines.index("error: a.py:3: Wrong") < lines.index("info: b.py:7-9 (before the change): Minor")
    assert "not reviewed: c.bin: it is binary" in lines
    assert "  Very." in lines


def test_the_text_of_a_skip_says_why() -> None:
    said = text.render(documents.of_nothing(SKIPPED, "never"))
    assert "octo/demo#12" in said
    assert "A fork has no secrets." in said
    assert said.endswith("not posted")


def test_one_model_call_is_told_as_one() -> None:
    assert "\n1 model call, " in text.render(documents.of_nothing(replace(SKIPPED, usage=Usage(0, 0, 0.0, 1)), "never"))


def test_a_head_that_is_not_known_leaves_no_gap() -> None:
    assert text.render(documents.of_nothing(SKIPPED, "never")).split("\n")[0] == "octo/demo#12  skipped"
