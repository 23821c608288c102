from __future__ import annotations

import pytest

from prreview_cli.core import globs


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("*.lock", "a/b/x.lock", True),
        ("*.lock", "x.lock", True),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/b/a.py", False),
        ("src/*.py", "x/src/a.py", False),
        ("src/**", "src/a/b", True),
        ("src/**", "src", False),
        ("**/test/**", "a/test/b/c", True),
        ("**/test/**", "test/b", True),
        ("**/test/**", "attest/b", False),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y/c", False),
        ("docs", "docs/a/b", True),
        ("docs", "x/docs/a", True),
        ("docs", "docs", True),
        ("docs/", "docs/a", True),
        ("docs/", "docs", False),
        ("src/docs", "src/docs/a", True),
        ("/a.py", "a.py", True),
        ("/a.py", "x/a.py", False),
        ("src/[ab].py", "src/a.py", True),
        ("src/[!ab].py", "src/a.py", False),
        ("a?.py", "ab.py", True),
        ("A.py", "a.py", False),
        ("**", "a/b", True),
    ],
)
def test_a_glob_means_the_same_everywhere(glob, path, fits):
    assert globs.matches(glob, path) is fits


@pytest.mark.parametrize("glob", ["", "/", "///", "a" * 301])
def test_a_glob_that_names_nothing_is_refused(glob):
    with pytest.raises(ValueError, match="glob"):
        globs.matches(glob, "a")


def test_the_first_fitting_glob_is_named():
    assert globs.first_match(["*.md", "docs/**", "docs/a.txt"], "docs/a.txt") == "docs/**"
    assert globs.first_match([], "a") is None


@pytest.mark.parametrize(("glob", "path"), [("*a" * 120 + "b", "a" * 4_000), ("**/a/" * 50 + "b", "a/" * 2_000 + "c")])
def test_a_glob_made_to_take_for_ever_is_decided_at_once(glob, path):
    assert globs.matches(glob, path) is False
