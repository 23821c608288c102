"""Reading, listing and searching the two commits, hostile names and contents included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from prreview_cli.core.ports.snapshots import ContentError, Match, Revision
from prreview_cli.core.review import Side
from prreview_cli.snapshots import Limits
from prreview_cli.snapshots.git import _INFO_ATTRIBUTES
from prreview_cli.snapshots.snapshot import GitSnapshot
from support.git_repos import EXECUTABLE, LINK, SUBMODULE, GitServer, git, serving
from support.snapshots import TOKEN, opened

HEAD, BASE = Revision.HEAD, Revision.BASE
SMALL = Limits(file_bytes=10_000)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with serving(tmp_path / "served", token=TOKEN) as running:
        yield running


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


# -- reading -----------------------------------------------------------------------------------------


async def test_files_are_read_as_they_are_in_either_commit(server, scratch):
    base = {"crlf.txt": b"a\r\nb\r\n", "gone": b"x", "ünï/ß.txt": b"1"}
    head = {"crlf.txt": b"a\r\nB\r\n", "ünï/ß.txt": b"2", "bad": b"\xff\xfe", "empty": b"", "q\"uo'te\n.txt": b"3"}
    async with opened(server, scratch, base, head) as snapshot:
        assert await snapshot.read_file("crlf.txt", HEAD) == "a\r\nB\r\n"
        assert await snapshot.read_file("gone", BASE) == "x"
        assert await snapshot.read_file("ünï/ß.txt", HEAD) == "2"
        assert await snapshot.read_file("bad", HEAD) == "\ufffd\ufffd"
        assert await snapshot.read_file("empty", HEAD) == ""
        assert await snapshot.read_file("q\"uo'te\n.txt", HEAD) == "3"
        with pytest.raises(ContentError, match="There is no file gone in this commit"):
            await snapshot.read_file("gone", HEAD)
        with pytest.raises(ContentError, match=r"ünï is a folder\. Use list_files with the glob ünï/\*\*\."):
            await snapshot.read_file("ünï", HEAD)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../../../etc/passwd",
        "..",
        ".git/config",
        ".GIT/config",
        "x/../a",
        "./a",
        "a/",
        "a\\b",
        "a\0",
        "",
        "//a",
        "x//a",
        "-a",
        "HEAD:a",
        ":a",
    ],
)
async def test_only_exact_paths_of_the_commit_are_files(server, scratch, path):
    # Names as no honest git would make them, with a canary behind each.
    tree = {
        "a": b"1",
        "../etc/passwd": b"canary",
        ".git/config": b"canary",
        ".GIT/config": b"canary",
        "x/../a": b"canary",
        "a\\b": b"canary",
    }
    async with opened(server, scratch, {"a": b"0"}, tree) as snapshot:
        with pytest.raises(ContentError):
            await snapshot.read_file(path, HEAD)


async def test_names_that_differ_only_in_case_are_two_files(server, scratch):
    async with opened(server, scratch, {"a": b"0"}, {"README": b"1", "readme": b"2"}) as snapshot:
        assert (await snapshot.read_file("README", HEAD), await snapshot.read_file("readme", HEAD)) == ("1", "2")
        with pytest.raises(ContentError):
            await snapshot.read_file("ReadMe", HEAD)


async def test_a_symbolic_link_is_shown_and_never_followed(server, scratch):
    head = {"passwd": (LINK, b"/etc/passwd"), "up": (LINK, b"../../.."), "folder": (LINK, b"/etc")}
    async with opened(server, scratch, {"a": b"0"}, head) as snapshot:
        assert await snapshot.read_file("passwd", HEAD) == "(a symbolic link to) /etc/passwd"
        assert await snapshot.read_file("up", HEAD) == "(a symbolic link to) ../../.."
        with pytest.raises(ContentError):
            await snapshot.read_file("folder/passwd", HEAD)
        assert all("root:" not in match.text for match in await snapshot.search("root", None, HEAD))


async def test_what_is_no_text_is_refused_with_its_reason(server, scratch):
    head = {"bin": b"a\0b", "large": b"x" * 20_000, "sub": (SUBMODULE, b"a" * 40)}
    async with opened(server, scratch, {"a": b"0"}, head, SMALL) as snapshot:
        for path, reason in [("bin", "binary"), ("large", "20000 bytes"), ("sub", "submodule at commit aaaa")]:
            with pytest.raises(ContentError, match=reason):
                await snapshot.read_file(path, HEAD)


async def test_files_are_listed_by_glob_and_up_to_a_bound(server, scratch):
    files = {f"d/{number:03}.py": b"x" for number in range(30)} | {"a.md": b"x", b"caf\xe9": b"x"}
    async with opened(server, scratch, {"old": b"0"}, files, Limits(listed_files=10)) as snapshot:
        assert await snapshot.list_files("*.md", HEAD) == ["a.md"]
        assert await snapshot.list_files("caf*", HEAD) == [r"caf\xe9"]
        assert await snapshot.list_files(None, BASE) == ["old"]
        listed = await snapshot.list_files("d/**", HEAD)
        assert len(listed) == 11
        assert listed[-1] == "(the list ends here: 20 more files)"


async def test_a_tree_too_large_to_list_is_said_to_be_cut(server, scratch):
    files = {f"{number:05}{'n' * 100}": b"x" for number in range(2_000)}
    async with opened(server, scratch, files, {**files, "zz": b"y"}, Limits(tree_bytes=1_000)) as snapshot:
        assert "only the first" in (await snapshot.list_files(None, HEAD))[-1]
        with pytest.raises(ContentError, match="more files than can be listed"):
            await snapshot.read_file("zz", HEAD)
        assert [file.path for file in snapshot.diff.files] == ["zz"]


# -- searching ---------------------------------------------------------------------------------------


async def test_lines_are_found_with_place_in_either_commit(server, scratch):
    head = {"a.py": b"one\ntwo\r\n", "d/b.py": b"two\n", "c\nd:1:x.py": b"two", "e.md": b"two\n"}
    async with opened(server, scratch, {"a.py": b"two\n"}, head) as snapshot:
        assert await snapshot.search(r"^t\wo\s*$", "*.py", HEAD) == [
            Match("a.py", 2, "two"),
            Match("c\nd:1:x.py", 1, "two"),
            Match("d/b.py", 1, "two"),
        ]
        assert await snapshot.search("two", None, BASE) == [Match("a.py", 1, "two")]
        assert await snapshot.search("three", None, HEAD) == []


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "(?<name", "[", "*"])
async def test_a_pattern_that_is_none_is_told(server, scratch, pattern):
    async with opened(server, scratch, {"a": b"1\n"}, {"a": b"2\n"}) as snapshot:
        with pytest.raises(ContentError, match="cannot be used"):
            await snapshot.search(pattern, None, HEAD)


@pytest.mark.parametrize("pattern", ["", "a\nb", "a\0", "x" * 2_000, "a\ud800", "\udcff"])
async def test_a_pattern_that_no_line_can_match_is_told(server, scratch, pattern):
    async with opened(server, scratch, {"a": b"1\n"}, {"a": b"2\n"}) as snapshot:
        with pytest.raises(ContentError, match="pattern"):
            await snapshot.search(pattern, None, HEAD)


@pytest.mark.parametrize("pattern", ["--open-files-in-pager=touch canary", "-O", "-f/etc/passwd", "--", "-e"])
async def test_a_pattern_is_never_an_option(server, scratch, pattern, tmp_path):
    async with opened(server, scratch, {"a": b"1\n"}, {"a": pattern.encode()}) as snapshot:
        assert await snapshot.search(pattern, None, HEAD) == [Match("a", 1, pattern)]
    assert not list(tmp_path.rglob("canary"))


async def test_a_pattern_that_takes_for_ever_is_ended(server, scratch):
    text = b"\n".join(b"a" * 60 + b"%d!" % number for number in range(3_000))
    async with opened(server, scratch, {"a": b"1\n"}, {"a": text}, Limits(search_s=0.5)) as snapshot:
        with pytest.raises(ContentError, match=r"took longer|cannot be used"):
            await snapshot.search(r"^(a|a?)+$", None, HEAD)
        assert await snapshot.search("aaa1!", None, HEAD) == [Match("a", 2, "a" * 60 + "1!")]


async def test_matches_are_bounded_and_large_files_are_not_searched(server, scratch):
    head = {"many": b"needle\n" * 900, "large": b"needle\n" * 5_000, "line": b"needle" + b"x" * 5_000}
    async with opened(server, scratch, {"a": b"1\n"}, head, SMALL) as snapshot:
        found = await snapshot.search("needle", None, HEAD)
        assert {match.path for match in found} == {"line", "many"}
        assert len(found) == 500
        assert len(found[0].text) == 1_000


async def test_large_files_of_endless_names_stop_no_search(server, scratch):
    head = {"a": b"needle\n", "!" * 140_000: b"x" * 20_000, **{f"{number:04}{'n' * 2_200}": b"x" * 20_000 for number in range(1_100)}}
    async with opened(server, scratch, {"a": b"1\n"}, head, SMALL) as snapshot:
        assert await snapshot.search("needle", "a", HEAD) == [Match("a", 1, "needle")]


async def test_a_search_that_memory_does_not_suffice_for_is_told_and_ends_no_review(server, scratch):
    head = {"a": b"needle\n", b"caf\xe9": b"\n" * (80 << 20)}  # no name to leave it out by
    async with opened(server, scratch, {"a": b"1\n"}, head, SMALL) as snapshot:
        assert isinstance(snapshot, GitSnapshot)
        snapshot.git = replace(snapshot.git, memory_bytes=64 << 20)
        with pytest.raises(ContentError, match="ran out of memory"):
            await snapshot.search("needle", None, HEAD)


# -- what a hostile tree may do to the diff ----------------------------------------------------------


async def test_attributes_hide_nothing_and_run_nothing(server, scratch, tmp_path):
    canary = tmp_path / "canary"
    attributes = b"*.py -diff\n*.txt binary\n*.c diff=evil filter=evil\n* working-tree-encoding=UTF-16\n*.js ident eol=crlf\n"
    base = {".gitattributes": attributes, "a.py": b"1\n", "b.txt": b"1\n", "c.c": b"1\n", "d.js": b"1\n"}
    head = {**base, "a.py": b"exec(1)\n", "b.txt": b"2\n", "c.c": b"2\n", "d.js": b"2\n", ".gitattributes": attributes + b"* -diff\n"}
    head[".git/config"] = b'[diff "evil"]\n\ttextconv = touch ' + str(canary).encode() + b"\n"
    head[".gitmodules"] = b'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% ' + str(canary).encode() + b"\n"
    head["x"] = (SUBMODULE, b"b" * 40)
    head["hooks/post-checkout"] = (EXECUTABLE, b"#!/bin/sh\ntouch " + str(canary).encode())
    async with opened(server, scratch, base, head) as snapshot:
        lines = {file.path: len(file.hunks) for file in snapshot.diff.files if not file.binary}
        assert {path: lines.get(path) for path in ("a.py", "b.txt", "c.c", "d.js", "x")} == dict.fromkeys(
            ["a.py", "b.txt", "c.c", "d.js", "x"], 1
        )
        assert snapshot.diff.omitted == ()
        assert await snapshot.search("exec", None, HEAD) == [Match("a.py", 1, "exec(1)")]
        assert await snapshot.read_file("a.py", HEAD) == "exec(1)\n"
        assert len(server.requests) == 3
    assert not canary.exists()


async def test_a_nul_hides_a_file_from_the_diff_but_not_from_the_review(server, scratch):
    late = b"x\n" * 5_000 + b"\0\neval(1)\n"
    async with opened(server, scratch, {"a": b"1\n"}, {"early.py": b"\0\neval(1)\n", "late.py": late}) as snapshot:
        assert {file.path: file.binary for file in snapshot.diff.files} == {"a": False, "early.py": True, "late.py": False}
        assert [match.path for match in await snapshot.search("eval", None, HEAD)] == ["early.py", "late.py"]


async def test_a_file_too_large_to_compare_is_named_and_the_rest_reviewed(server, scratch):
    base = {"a.py": b"1\n", "shrunk": b"y" * 20_000}
    head = {"a.py": b"2\n", "line.js": b"z" * 1_000_000, "shrunk": b"y", "logo.png": b"\0"}
    async with opened(server, scratch, base, head, SMALL) as snapshot:
        assert [(file.path, file.binary) for file in snapshot.diff.files] == [("a.py", False), ("logo.png", True)]
        assert snapshot.diff.omitted == (
            ("line.js", "1000000 bytes are too large to compare"),
            ("shrunk", "20000 bytes are too large to compare"),
        )


async def test_a_diff_too_large_in_all_is_cut_between_files_and_the_rest_named(server, scratch):
    head = {f"{number}.txt": f"{number}\n".encode() * 1_000 for number in range(10, 20)}
    async with opened(server, scratch, {"a": b"1\n"}, head, Limits(diff_bytes=20_000)) as snapshot:
        whole = [file.path for file in snapshot.diff.files]
        named = [path for path, _ in snapshot.diff.omitted]
        assert 1 <= len(whole) < 10
        assert whole + named == [*sorted(head), "a"]
        assert all(len(file.hunks[0].lines) in {1, 1_000} for file in snapshot.diff.files)
        assert "more than 20000 bytes" in snapshot.diff.omitted[0][1]


async def test_the_list_of_changed_files_may_be_cut_as_well(server, scratch):
    head = {f"{number:04}{'n' * 90}": b"x" for number in range(2_000)}
    async with opened(server, scratch, {"a": b"1\n"}, head, Limits(diff_bytes=5_000)) as snapshot:
        assert snapshot.diff.files == ()
        assert snapshot.diff.omitted[0][0].startswith("0000n")
        assert snapshot.diff.omitted[-1] == ("(at least 1 more changed files)", "the list of changed files alone has more than 5000 bytes")


async def test_more_changed_files_than_a_review_covers_are_counted(server, scratch):
    head = {f"{number:04}": b"x" for number in range(50)}
    async with opened(server, scratch, {"a": b"1\n"}, head, Limits(diff_files=20)) as snapshot:
        assert len(snapshot.diff.files) == 20
        assert snapshot.diff.omitted == (("(31 more changed files)", "a review covers 20 files at most"),)


async def test_a_name_that_is_not_utf8_is_named_but_not_commented_on(server, scratch):
    async with opened(server, scratch, {"a": b"1\n"}, {"a": b"2\n", b"caf\xe9": b"x"}) as snapshot:
        assert [file.path for file in snapshot.diff.files] == ["a"]
        assert snapshot.diff.omitted == (("caf\ufffd", "its name is not UTF-8, so no comment can name it"),)


async def test_moves_types_modes_and_odd_names_come_through_git(server, scratch):
    body = b"".join(b"line %d\n" % number for number in range(50))
    base = {"old name.txt": body, "f": b"1\n", "m": b"1\n", 'q"\t\n.txt': b"1\n", "sub": (SUBMODULE, b"a" * 40), "ü": b"1\r\n"}
    head = {"new name.txt": body + b"more\n", "f": (LINK, b"/etc/passwd"), "m": (EXECUTABLE, b"1\n"), 'q"\t\n.txt': b"2\n"}
    head |= {"sub": (SUBMODULE, b"b" * 40), "ü": b"2\r\n"}
    async with opened(server, scratch, base, head) as snapshot:
        seen = {file.path: (file.old_path, str(file.change), len(file.hunks)) for file in snapshot.diff.files}
        assert seen == {
            "f": (None, "modified", 2),
            "m": (None, "modified", 0),
            "new name.txt": ("old name.txt", "renamed", 1),
            'q"\t\n.txt': (None, "modified", 1),
            "sub": (None, "modified", 1),
            "ü": (None, "modified", 1),
        }
        renamed = snapshot.diff.file("new name.txt")
        assert renamed is not None
        assert renamed.hunks[0].numbers(Side.RIGHT) == (48, 49, 50, 51)
        assert "+++ b/ü" in snapshot.diff.files[-1].text  # not in octal


def test_our_attributes_overrule_those_of_a_tree(tmp_path):
    # A bare repository reads a tree's attributes from git 2.43 on; a work tree shows the same order with any git.
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitattributes").write_text("*.py -diff\n*.txt binary\n*.c diff=evil filter=evil working-tree-encoding=UTF-16\n")
    asked = ("check-attr", "diff", "text", "filter", "working-tree-encoding", "--", "a.py", "b.txt", "c.c")
    assert b"evil" in git(tmp_path, *asked)
    (tmp_path / ".git/info").mkdir(exist_ok=True)
    (tmp_path / ".git/info/attributes").write_text(_INFO_ATTRIBUTES)
    assert {line.rpartition(b": ")[2] for line in git(tmp_path, *asked).splitlines()} == {b"unspecified"}
