"""Any two trees: what git prints of them, read by us and applied to the old text, is the new text."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prreview_cli.core.diff import Diff, FileDiff, LineKind
from prreview_cli.core.review import Side
from prreview_cli.snapshots import changes
from prreview_cli.snapshots.git import _INFO_ATTRIBUTES
from support.git_repos import EXECUTABLE, FILE, Repository, git

LINES = st.sampled_from(
    [
        *(b"", b" ", b"a", b"b", b"}", b"c\r", b"\x0c", b"\xff\xfe", "\u2028".encode(), b"+", b"-", b"--- a/x", b"+++ b/x", b"@@ -1 +1 @@"),
        *(b"diff --git a/x b/x", b"\\ No newline at end of file", b"Binary files a/x and b/x differ", b"GIT binary patch", b"rename to y"),
    ]
)
CONTENTS = st.builds(lambda lines, end: b"\n".join(lines) + end, st.lists(LINES, max_size=30), st.sampled_from([b"", b"\n"]))
NAMES = st.sampled_from(
    ["a", "b/c", "sp ace", " lead", "trail ", 'q"uote', "new\nline", "tab\t", "ü", "back\\slash", "b b/b", "cr\r", "-x"]
)
TREES = st.dictionaries(NAMES, st.tuples(st.sampled_from([FILE, EXECUTABLE]), CONTENTS), max_size=8)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("trees") / "x.git")
    (made.path / "info").mkdir()
    (made.path / "info/attributes").write_text(_INFO_ATTRIBUTES)
    return made


@given(TREES, TREES)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_hunks_turn_the_old_text_into_the_new_one(repository, old, new):
    printed = git(repository.path, "-c", "core.quotePath=false", *changes._DIFF, repository.commit(old), repository.commit(new))
    listed, diff, complete = changes._read(printed, cut=False)
    assert complete
    assert [changed.path for changed in listed] == [file.path for file in diff.files]
    assert {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)} == names_in(diff)
    for file in diff.files:
        before = lines_of(old[file.old_path or file.path][1]) if (file.old_path or file.path) in old else []
        after = lines_of(new[file.path][1]) if file.path in new else []
        assert applied(file, before) == after
        for hunk in file.hunks:
            assert all(line.text == after[line.new - 1] for line in hunk.lines if line.new is not None)
            for side in Side:
                numbers = hunk.numbers(side)
                assert list(numbers) == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True


@given(TREES, TREES, st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_diff_cut_anywhere_loses_whole_files_only(repository, old, new, data):
    printed = git(repository.path, "-c", "core.quotePath=false", *changes._DIFF, repository.commit(old), repository.commit(new))
    listed, whole, _ = changes._read(printed, cut=False)
    end = data.draw(st.integers(0, len(printed)))
    fewer, part, complete = changes._read(printed[:end], cut=True)
    assert fewer == listed or not complete  # what is missing is known to be
    assert part.files == whole.files[: len(part.files)]
    assert fewer == listed[: len(fewer)]


def names_in(diff: Diff) -> set[str]:
    return {file.path for file in diff.files} | {file.old_path for file in diff.files if file.old_path is not None}


def lines_of(content: bytes) -> list[str]:
    lines = content.decode("utf-8", "replace").split("\n")
    return lines[:-1] if not lines[-1] else lines


def applied(file: FileDiff, before: list[str]) -> list[str]:
    after: list[str] = []
    taken = 0
    for hunk in file.hunks:
        for line in hunk.lines:
            if line.old is not None:
                after += before[taken : line.old - 1]
                taken = line.old
                assert line.text == before[line.old - 1]
            elif line.new is not None and taken < line.new - 1 and len(after) < line.new - 1:
                missing = line.new - 1 - len(after)
                after += before[taken : taken + missing]
                taken += missing
            if line.kind is not LineKind.REMOVED:
                after.append(line.text)
    return after + before[taken:]
