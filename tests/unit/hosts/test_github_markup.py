from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prreview_cli.core import marker
from prreview_cli.core.markup import size
from prreview_cli.core.review import Coverage, Finding, Omission, Review, ReviewStatus, Severity, Side, Usage
from prreview_cli.hosts.github import markup
from support.hostile_text import FRAGMENTS, hostile
from support.markdown_reader import OURS, alive, fence_infos, kinds

HEAD = "a" * 40
EVERYTHING = " ".join(FRAGMENTS)


def finding(**changes: Any) -> Finding:
    return replace(Finding("src/thing.py", 4, Severity.WARNING, "A title", "An explanation."), **changes)


def review(**changes: Any) -> Review:
    plain = Review(
        status=ReviewStatus.COMPLETE,
        environment="prod",
        repository="octo/demo",
        repository_id=7,
        number=3,
        run=0,
        base_sha="b" * 40,
        reviewed_sha=HEAD,
        contract_version="1",
        guidelines_version="c" * 40,
        model="claude-test-1",
        summary="It adds a thing.",
        findings=(finding(),),
        coverage=Coverage(("src/thing.py",)),
        usage=Usage(1000, 100, 0.1234, 3),
    )
    return replace(plain, **changes)


def total(post: Any) -> int:
    return size(post.body) + sum(size(comment.body) for comment in post.comments)


def test_a_plain_review_reads_well() -> None:
    post = markup.post(review(findings=(finding(), finding(severity=Severity.ERROR, line=9, start_line=7, suggestion="x = 1\n"))))
    assert post.commit_id == HEAD
    assert post.body == (
        "**Review** of `aaaaaaaaaa`: 1 error, 1 warning.\n\n"
        "It adds a thing.\n\n"
        "---\n\n"
        "prreview: model `claude-test-1`, contract `1`, guidelines `cccccccccccc`, 0.1234 USD in 3 model calls, environment `prod`\n\n"
        f"<!-- prreview environment=prod repository=7 number=3 head={HEAD} run=0 contract=1 status=complete error=1 warning=1 info=0 -->"
    )
    assert [(c.path, c.line, c.start_line, c.side, c.body) for c in post.comments] == [
        ("src/thing.py", 9, 7, Side.RIGHT, "**Error:** A title\n\nAn explanation.\n\nSuggested:\n\n> ```\n> x = 1\n> ```"),
        ("src/thing.py", 4, None, Side.RIGHT, "**Warning:** A title\n\nAn explanation."),
    ]


def test_a_review_without_findings_is_its_summary() -> None:
    post = markup.post(review(findings=()))
    assert post.body.startswith("**Review** of `aaaaaaaaaa`: nothing to report.\n\nIt adds a thing.")
    assert post.comments == ()


def test_the_marker_is_found_again_and_closes_the_body() -> None:
    ours = review(run=2, status=ReviewStatus.PARTIAL)
    body = markup.post(ours).body
    assert body.endswith("-->")
    assert marker.parse(body) == markup.marker_of(ours)
    found = marker.parse(body)
    assert found is not None
    assert (found.identity.run, found.status, found.counts) == (2, ReviewStatus.PARTIAL, (0, 1, 0))


def test_a_partial_review_says_so_in_its_first_line() -> None:
    omitted = tuple(Omission(f"big/{n}.py", "it is longer than the budget") for n in range(3))
    body = markup.post(review(status=ReviewStatus.PARTIAL, coverage=Coverage(("a.py",), omitted))).body
    assert body.splitlines()[0] == "**Partial review** of `aaaaaaaaaa`, 3 of 4 changed files not reviewed: 1 warning."
    assert "- `big/0.py`: it is longer than the budget" in body


def test_what_was_left_out_is_capped_and_counted() -> None:
    omitted = tuple(Omission(f"dir/{n}/" + "x" * 200, "it is binary") for n in range(5_000))
    body = markup.post(review(status=ReviewStatus.PARTIAL, coverage=Coverage((), omitted))).body
    shown = body.count("it is binary")
    assert 10 < shown < 100
    assert f"- and {5_000 - shown} more" in body


def test_notes_and_reason_are_carried() -> None:
    body = markup.post(review(notes=("The agent ran without the network layer.",), reason="One file was too large.")).body
    assert "- The agent ran without the network layer." in body
    assert "- One file was too large." in body


def test_the_thirty_worst_findings_stand_at_their_lines_and_the_rest_in_the_body() -> None:
    many = (*tuple(finding(line=n + 1, title=f"number {n}", severity=Severity.INFO) for n in range(34)), finding(severity=Severity.ERROR))
    post = markup.post(review(findings=many))
    assert len(post.comments) == 30
    assert post.comments[0].body.startswith("**Error:**")
    listed = re.findall(r"number (\d+)", post.body)
    assert listed == ["29", "30", "31", "32", "33"]


@pytest.mark.parametrize(("line", "start"), [(0, None), (-1, None), (3, 5), (3, 0)])
def test_a_finding_without_a_line_to_stand_on_goes_into_the_body(line: int, start: int | None) -> None:
    post = markup.post(review(findings=(finding(line=line, start_line=start),)))
    assert post.comments == ()
    assert "**Further findings**\n\n- **Warning** `src/thing.py`" in post.body


def test_a_finding_in_a_file_whose_name_is_not_utf8_goes_into_the_body() -> None:
    post = markup.post(review(findings=(finding(path="caf\ufffd.py", title="Here"),)))
    assert post.comments == ()
    assert "Here" in post.body


def test_a_remark_on_one_line_names_no_start() -> None:
    (comment,) = markup.post(review(findings=(finding(line=4, start_line=4),))).comments
    assert "start_line" not in comment.to_json()


def test_no_suggestion_can_be_applied_with_one_click() -> None:
    (comment,) = markup.post(review(findings=(finding(suggestion="```suggestion\nrm -rf /\n```"),))).comments
    assert "```suggestion" not in comment.body
    assert fence_infos(comment.body) == {""}


def test_five_megabytes_make_a_small_post() -> None:
    flood = "`@a #1 x\n" * 600_000
    huge = tuple(finding(line=n + 1, title=flood, explanation=flood, suggestion=flood, path="p" * 4096) for n in range(200))
    omitted = tuple(Omission("o" * 4096, flood) for _ in range(300))
    post = markup.post(
        review(summary=flood, findings=huge[:40], notes=(flood,) * 50, reason=flood, coverage=Coverage((), omitted), model=flood)
    )
    assert total(post) < 60_000
    assert marker.parse(post.body) is not None
    assert len(post.comments) == 30


reviews = st.builds(
    review,
    summary=hostile,
    model=hostile,
    reason=st.none() | hostile,
    notes=st.lists(hostile, max_size=2).map(tuple),
    coverage=st.lists(st.builds(Omission, path=hostile, reason=hostile), max_size=3).map(lambda omitted: Coverage((), tuple(omitted))),
    status=st.sampled_from([ReviewStatus.COMPLETE, ReviewStatus.PARTIAL]),
    findings=st.lists(
        st.builds(
            Finding,
            path=hostile,
            line=st.integers(-1, 9),
            severity=st.sampled_from(Severity),
            title=hostile,
            explanation=hostile,
            start_line=st.none() | st.integers(-1, 9),
            side=st.sampled_from(Side),
            suggestion=st.none() | hostile,
        ),
        max_size=3,
    ).map(tuple),
)


@settings(max_examples=150)
@given(reviews)
def test_nothing_that_the_model_says_comes_alive(hostile_review: Review) -> None:
    post = markup.post(hostile_review)
    visible, closing = post.body.rsplit("\n\n", 1)
    assert closing == marker.render(markup.marker_of(hostile_review))
    for text in (visible, *(comment.body for comment in post.comments)):
        assert kinds(text) <= OURS, text
        assert alive(text) == [], text
        assert fence_infos(text) <= {""}
        assert "<!--" not in text
        assert not re.search(r"^\s*[/@]", text, re.MULTILINE)
    assert total(post) < 60_000
    assert markup.post(hostile_review) == post
    json.dumps(post.to_json())


def test_the_whole_corpus_at_once_shows_no_foreign_host() -> None:
    post = markup.post(review(summary=EVERYTHING, findings=(finding(title=EVERYTHING, explanation=EVERYTHING, suggestion=EVERYTHING),)))
    for text in (post.body.rsplit("\n\n", 1)[0], post.comments[0].body):
        assert kinds(text) <= OURS
        assert alive(text) == []


# -- an earlier review ------------------------------------------------------------------------------------


def test_the_notice_stands_on_top_and_the_marker_stays() -> None:
    ours = review()
    body, ours_marker = markup.post(ours).body, markup.marker_of(ours)
    marked = markup.outdated(body, ours_marker, "d" * 40)
    assert marked.splitlines()[0] == "> **Outdated.** This is about `aaaaaaaaaa`; `dddddddddd` was reviewed since."
    assert marked.endswith(body)
    assert marker.parse(marked) == ours_marker
    assert markup.is_outdated(marked)
    assert not markup.is_outdated(body)
    assert markup.outdated(marked, ours_marker, "e" * 40) == marked


def test_a_body_that_somebody_made_too_long_keeps_its_marker_alone() -> None:
    ours = review()
    swollen = "x" * 65_000 + markup.post(ours).body
    marked = markup.outdated(swollen, markup.marker_of(ours), "d" * 40)
    assert size(marked) <= 60_000
    assert marker.parse(marked) == markup.marker_of(ours)


def test_no_summary_can_pose_as_the_notice() -> None:
    assert not markup.is_outdated(markup.post(review(summary="> **Outdated.** x")).body)
