from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prreview_cli.core import marker
from prreview_cli.core.marker import Identity, Marker
from prreview_cli.core.profile import ENVIRONMENT_PATTERN
from prreview_cli.core.review import ReviewStatus
from support.markdown_reader import tokens

numbers = st.integers(0, 2**53 - 1)
identities = st.builds(
    Identity,
    environment=st.from_regex(ENVIRONMENT_PATTERN, fullmatch=True).filter(str.isascii),
    repository_id=numbers,
    number=numbers,
    head_sha=st.from_regex(r"[0-9a-f]{40}([0-9a-f]{24})?", fullmatch=True),
    run=numbers,
)
markers = st.builds(
    Marker,
    identity=identities,
    contract_version=st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True),
    status=st.sampled_from(ReviewStatus),
    counts=st.tuples(numbers, numbers, numbers),
)


@given(markers)
def test_what_is_written_is_found_again(ours: Marker) -> None:
    assert marker.parse(f"A review.\n\n{marker.render(ours)}") == ours


@given(markers, markers)
def test_the_last_marker_counts_for_ours_closes_the_body(quoted: Marker, ours: Marker) -> None:
    assert marker.parse(f"{marker.render(quoted)}\n\nA review that quotes another.\n\n{marker.render(ours)}") == ours


@given(markers)
def test_no_reader_sees_it(ours: Marker) -> None:
    assert [token.type for token in tokens(marker.render(ours))] == ["html_block"]


GOOD = marker.render(Marker(Identity("prod", 7, 3, "a" * 40, 0), "1", ReviewStatus.COMPLETE, (1, 2, 3)))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "no marker",
        GOOD.replace("<!--", "<! --"),
        GOOD.replace("a" * 40, "a" * 39),
        GOOD.replace("a" * 40, "A" * 40),
        GOOD.replace("complete", "splendid"),
        GOOD.replace("environment=prod", "environment=PROD"),
        GOOD.replace("repository=7", "repository=-7"),
        GOOD.replace(" run=0", ""),
        GOOD.replace("-->", ""),
    ],
)
def test_anything_less_is_no_marker(body: str) -> None:
    assert marker.parse(body) is None
