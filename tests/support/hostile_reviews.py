"""Reviews in which every field is what a talked-over model, or a stranger's pull request, would like to say."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from prreview_cli.core.review import Coverage, Finding, Omission, Review, ReviewStatus, Severity, Side
from support.github_world import REVIEW
from support.hostile_text import FRAGMENTS, hostile

CORPUS = [*FRAGMENTS, " ".join(FRAGMENTS), "\n".join(FRAGMENTS), "\n\n".join(FRAGMENTS), "".join(FRAGMENTS)]


def saying(text: str) -> Review:
    """A review that says this wherever it can say anything."""
    finding = Finding("thing.py", 4, Severity.ERROR, text, text, suggestion=text)
    return replace(
        REVIEW,
        status=ReviewStatus.PARTIAL,
        summary=text,
        reason=text,
        notes=(text,),
        model=text,
        findings=(finding, replace(finding, path=text, line=0)),
        coverage=Coverage((text,), (Omission(text, text),)),
    )


reviews = st.builds(
    replace,
    st.just(REVIEW),
    summary=hostile,
    reason=st.none() | hostile,
    model=hostile,
    notes=st.lists(hostile, max_size=2).map(tuple),
    status=st.sampled_from([ReviewStatus.COMPLETE, ReviewStatus.PARTIAL]),
    coverage=st.lists(st.builds(Omission, path=hostile, reason=hostile), max_size=2).map(lambda omitted: Coverage((), tuple(omitted))),
    findings=st.lists(
        st.builds(
            Finding,
            path=hostile,
            line=st.integers(-1, 9),
            severity=st.sampled_from(Severity),
            title=hostile,
            explanation=hostile,
            side=st.sampled_from(Side),
            suggestion=st.none() | hostile,
        ),
        max_size=3,
    ).map(tuple),
)
