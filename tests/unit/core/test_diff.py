from __future__ import annotations

from pathlib import Path

import pytest
from unidiff import PatchSet

from prreview_cli.core.diff import Change, Diff, LineKind, parse
from prreview_cli.core.review import Side

SAMPLES = sorted((Path(__file__).parents[4] / "shared/samples/diffs").glob("*.diff"))
"""Curated diffs beside the checkout; where they are absent these tests have no cases."""

needs_samples = pytest.mark.skipif(not SAMPLES, reason="the sample diffs are not on this machine")


def one(text: str) -> Diff:
    return parse(text.encode())


def hunk_of(old: int, new: int, *lines: str, name: str = "x") -> str:
    body = "".join(f"{line}\n" for line in lines)
    return f"diff --git a/{name} b/{name}\nindex 1..2 100644\n--- a/{name}\n+++ b/{name}\n@@ -1,{old} +1,{new} @@\n{body}"


def test_no_change_is_an_empty_diff():
    assert parse(b"") == Diff(())


def test_lines_are_numbered_on_the_sides_where_they_exist():
    diff = one(hunk_of(3, 3, " a", "-b", "+B", " c"))
    lines = diff.files[0].hunks[0].lines
    assert [(line.kind, line.old, line.new, line.text) for line in lines] == [
        (LineKind.CONTEXT, 1, 1, "a"),
        (LineKind.REMOVED, 2, None, "b"),
        (LineKind.ADDED, None, 2, "B"),
        (LineKind.CONTEXT, 3, 3, "c"),
    ]
    assert diff.files[0].hunks[0].numbers(Side.LEFT) == (1, 2, 3)
    assert diff.files[0].hunks[0].numbers(Side.RIGHT) == (1, 2, 3)


def test_the_shown_text_is_what_git_printed():
    text = one(hunk_of(3, 3, " a", "-b", "+B", " c", "\\ No newline at end of file")).files[0].text
    assert text.splitlines()[4:] == ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c", "\\ No newline at end of file"]


def test_code_that_looks_like_a_diff_stays_code():
    diff = one(hunk_of(3, 3, " @@ -1 +1 @@", "-diff --git a/x b/x", "---- a/evil", "++++ b/evil", "+\\ No newline at end of file"))
    assert [file.path for file in diff.files] == ["x"]
    assert [line.text for line in diff.files[0].hunks[0].lines][1:] == [
        "diff --git a/x b/x",
        "--- a/evil",
        "+++ b/evil",
        "\\ No newline at end of file",
    ]


@pytest.mark.parametrize("odd", ["\r", "\x0c", "\x0b", "\x1c", "\x85", "\u2028", "\u2029", "\x00"])
def test_only_a_line_feed_ends_a_line(odd):
    diff = one(hunk_of(1, 1, f"-a{odd}b", f"+a{odd}c"))
    assert [line.text for line in diff.files[0].hunks[0].lines] == [f"a{odd}b", f"a{odd}c"]


def test_bytes_that_are_no_text_become_replacement_characters():
    diff = parse(hunk_of(1, 1, "-a", "+b").encode().replace(b"+b\n", b"+\xff\xfe\n"))
    assert diff.files[0].hunks[0].lines[1].text == "\ufffd\ufffd"


@pytest.mark.parametrize(
    ("headline", "path"),
    [
        ("a/plain b/plain", "plain"),
        ("a/sp ace b/sp ace", "sp ace"),
        ("a/ b/x b/ b/x", " b/x"),
        (r'"a/new\nline" "b/new\nline"', "new\nline"),
        (r'"a/quo\"te\\" "b/quo\"te\\"', 'quo"te\\'),
        (r'"a/\303\274\t" "b/\303\274\t"', "ü\t"),
        ("b/x b/x", "b/x"),
        ("sp ace sp ace", "sp ace"),
        ("b/x a/x", "x"),
    ],
)
def test_names_are_read_whatever_is_in_them(headline, path):
    file = one(f"diff --git {headline}\nold mode 100644\nnew mode 100755\n").files[0]
    assert (file.path, file.old_path, file.change, file.hunks) == (path, None, Change.MODIFIED, ())


def test_a_rename_keeps_both_names():
    file = one('diff --git a/x "b/\\303\\274"\nsimilarity index 100%\nrename from x\nrename to "\\303\\274"\n').files[0]
    assert (file.path, file.old_path, file.change) == ("ü", "x", Change.RENAMED)


def test_a_copy_is_told_from_a_rename():
    file = one("diff --git a/x b/y\nsimilarity index 100%\ncopy from x\ncopy to y\n").files[0]
    assert (file.path, file.old_path, file.change) == ("y", "x", Change.COPIED)


def test_additions_and_deletions_of_empty_files():
    text = "diff --git a/x b/x\nnew file mode 100644\nindex 0..1\ndiff --git a/y b/y\ndeleted file mode 100644\nindex 1..0\n"
    assert [(file.path, file.change) for file in one(text).files] == [("x", Change.ADDED), ("y", Change.DELETED)]


@pytest.mark.parametrize(
    "body", ["Binary files a/x and b/x differ\n", "GIT binary patch\nliteral 4\nLcmZQzWM%;X01*HQ\n\nliteral 3\nKcmZQzWC8#H2LJ>B\n\n"]
)
def test_binary_files_have_no_lines_and_hide_nothing_behind_them(body):
    files = one(f"diff --git a/x b/x\nindex 1..2 100644\n{body}{hunk_of(1, 1, '-a', '+b', name='y')}").files
    assert [(file.path, file.binary, len(file.hunks)) for file in files] == [("x", True, 0), ("y", False, 1)]
    assert files[0].text.endswith("Binary files differ\n")


def test_a_changed_type_is_one_modified_file_with_both_sides():
    removed = "diff --git a/x b/x\ndeleted file mode 100644\nindex 1..0\n--- a/x\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n"
    added = (
        "diff --git a/x b/x\nnew file mode 120000\nindex 0..1\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+t\n\\ No newline at end of file\n"
    )
    diff = one(removed + added)
    assert len(diff.files) == 1
    assert diff.files[0].change is Change.MODIFIED
    assert [hunk.numbers(Side.LEFT) + hunk.numbers(Side.RIGHT) for hunk in diff.files[0].hunks] == [(1, 2), (1,)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hello\n", 1),
        ("diff --git a/x b/x", 1),
        ("diff --git a/x b/y\n", 1),
        ('diff --git "a/x "b/x"\n', 1),
        (hunk_of(2, 2, "-a", "+b"), 8),
        (hunk_of(1, 1, "-a", "+b", "+c"), 8),
        (hunk_of(1, 1, "-a", "!b"), 7),
        (hunk_of(1, 1, "-a", "-b"), 7),
        (hunk_of(1, 1, "\\ No newline at end of file", "-a", "+b"), 6),
        (hunk_of(1, 1, "-a", "+b").replace("@@ -1,1", "@@ -1;1"), 5),
        (hunk_of(1, 1, "-a", "+b").replace("+++ ", "==="), 4),
        (hunk_of(1, 1, "-a", "+b")[:-1], 7),
    ],
)
def test_what_is_no_diff_is_refused_by_its_line(text, line):
    with pytest.raises(ValueError, match=f"^Line {line} of the diff "):
        one(text)


@needs_samples
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_every_sample_can_be_read_and_no_byte_of_code_is_lost(sample):
    data = sample.read_bytes()
    diff = parse(data)
    assert len(diff.files) == data.count(b"\ndiff --git ") + data.startswith(b"diff --git ")
    marked = [line.kind + line.text for file in diff.files for hunk in file.hunks for line in hunk.lines]
    body = [line.decode("utf-8", "replace") for line in data.split(b"\n")]
    position = 0
    for line in marked:
        position = body.index(line, position) + 1  # each of them, in order


@needs_samples
@pytest.mark.parametrize(
    "sample", [path for path in SAMPLES if path.name.startswith(("no-newline", "rename", "mode", "submodule"))], ids=lambda path: path.name
)
def test_unidiff_reads_the_ordinary_samples_in_the_same_way(sample):
    theirs = PatchSet(sample.read_text())
    ours = parse(sample.read_bytes())
    assert [file.path for file in ours.files] == [file.path for file in theirs]
    for mine, other in zip(ours.files, theirs, strict=True):
        lines = [(line.kind.value, line.old, line.new, line.text) for hunk in mine.hunks for line in hunk.lines]
        assert lines == [
            (line.line_type, line.source_line_no, line.target_line_no, line.value.removesuffix("\n"))
            for hunk in other
            for line in hunk
            if line.line_type != "\\"
        ]
