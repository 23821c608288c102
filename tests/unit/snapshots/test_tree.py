from __future__ import annotations

import pytest

from prreview_cli.core.ports.snapshots import ContentError
from prreview_cli.snapshots.tree import Entry, Tree

DATA = b"100644 blob aa      12\tsrc/a.py\x00120000 blob bb       3\tlink\x00160000 commit cc       -\tsub\x00100644 blob dd 1\tcaf\xe9\x00100644 blob ee"


def test_records_are_read_and_a_cut_one_is_dropped():
    tree = Tree.parse(DATA, cut=True)
    assert tree.entries == {
        "src/a.py": Entry("100644", "aa", 12),
        "link": Entry("120000", "bb", 3),
        "sub": Entry("160000", "cc", 0),
        r"caf\xe9": Entry("100644", "dd", 1),
    }
    assert tree.find("src/a.py").object_id == "aa"


@pytest.mark.parametrize(
    "path", ["", "/", ".", "..", "src", "src/", "a.py", "src/a.py/x", "/src/a.py", "src\\a.py", r"caf\xe9", "src/a.py\0"]
)
def test_only_an_exact_path_is_found(path):
    with pytest.raises(ContentError):
        Tree.parse(DATA, cut=False).find(path)


def test_a_listing_of_nothing_is_an_empty_tree():
    assert Tree.parse(b"", cut=False).entries == {}
