from __future__ import annotations

import jsonschema
import pytest

from prreview_cli.core.review import Severity, Side
from prreview_cli.core.toolbox import ANSWER_BYTES, TOOLS, Toolbox
from support.contents import Contents, binary, diff_of, file_diff

A = file_diff("src/a.py", " def f():", "-    return 1", "+    return 2", "+    # two", old=10, new=10)
B = file_diff("src/b.py", "+x = 1")
LARGE = file_diff("large.py", *[f"+{'x' * 100} {number}" for number in range(1_000)])
FINDING = {"path": "src/a.py", "line": 11, "severity": "error", "title": "Wrong", "explanation": "f() gives 2 for every input."}


def toolbox(*files: str, max_comments: int = 3, **contents: object) -> Toolbox:
    return Toolbox(Contents(diff_of(*(files or (A, B))), **contents), max_comments)


def review(*findings: object, summary: object = "Fine.") -> dict[str, object]:
    return {"summary": summary, "findings": list(findings)}


async def refusal(box: Toolbox, arguments: dict[str, object]) -> str:
    result = await box.call("submit_review", arguments)
    assert result.is_error
    assert box.submission is None
    return result.text


# -- the offer ---------------------------------------------------------------------------------------


def test_the_tools_are_the_five_of_the_specification():
    assert {tool.name: sorted(tool.input_schema["properties"]) for tool in TOOLS} == {
        "list_files": ["glob", "revision"],
        "read_file": ["end_line", "path", "revision", "start_line"],
        "search": ["glob", "pattern", "revision"],
        "read_diff": ["path"],
        "submit_review": ["findings", "summary"],
    }
    assert TOOLS[0].wire_name == "mcp__prreview__list_files"


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_schema_is_one_and_lets_nothing_else_in(tool):
    jsonschema.Draft202012Validator.check_schema(tool.input_schema)
    assert tool.input_schema["additionalProperties"] is False
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**dict.fromkeys(tool.input_schema["required"], "x"), "shell": "id"}, tool.input_schema)


async def test_what_is_accepted_also_passes_the_schema():
    given = review({**FINDING, "start_line": 10, "side": "RIGHT", "suggestion": "return 1"})
    jsonschema.validate(given, TOOLS[-1].input_schema)
    assert not (await toolbox().call("submit_review", given)).is_error


# -- reading -----------------------------------------------------------------------------------------


async def test_a_file_is_read_with_its_line_numbers():
    box = toolbox(files={"x.py": "a\nb\r\nc\u2028d\n"})
    assert (await box.call("read_file", {"path": "x.py"})).text == "x.py at head, lines 1 to 3 of 3:\n    1 a\n    2 b\r\n    3 c\u2028d"
    assert (await box.call("read_file", {"path": "x.py", "start_line": 2, "end_line": 2})).text.endswith("\n    2 b\r")
    assert "base of x.py" in (await box.call("read_file", {"path": "x.py", "revision": "base"})).text


async def test_a_long_file_is_cut_at_a_line_and_says_how_to_go_on():
    box = toolbox(files={"x.py": "".join(f"line {number} {'y' * 50}\n" for number in range(1, 1_501))})
    answer = (await box.call("read_file", {"path": "x.py"})).text
    assert ANSWER_BYTES * 0.9 < len(answer) < ANSWER_BYTES + 500
    last = int(answer.rpartition("start_line ")[2].split(".")[0])
    assert f"line {last - 1} " in answer
    rest = (await box.call("read_file", {"path": "x.py", "start_line": last})).text
    assert f"line {last} " in rest
    assert "line 1500 " in rest


async def test_an_endless_line_is_shortened():
    answer = (await toolbox(files={"x.js": "z" * 5_000_000}).call("read_file", {"path": "x.js"})).text
    assert len(answer) < 3_000
    assert "4998000 more characters are not shown" in answer


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("read_file", {}, "path is missing"),
        ("read_file", {"path": 3}, "path must be a text"),
        ("read_file", {"path": "nowhere"}, "There is no file nowhere"),
        ("read_file", {"path": "x.py", "start_line": 9}, "has 1 lines only"),
        ("read_file", {"path": "x.py", "start_line": 2, "end_line": 1}, "comes before"),
        ("read_file", {"path": "x.py", "start_line": True}, "start_line must be a line's number"),
        ("read_file", {"path": "x.py", "revision": "HEAD~1"}, 'revision must be "head" or "base"'),
        ("read_file", {"path": "x.py", "lines": 3}, "There is no argument 'lines'"),
        ("list_files", {"glob": "a" * 400}, "glob"),
        ("search", {"pattern": ""}, "pattern must be a text"),
        ("read_diff", {"path": "src/aa.py"}, "not a file that the pull request changes. Changed files with such names: src/a.py"),
        ("Bash", {"command": "id"}, "There is no such tool"),
    ],
)
async def test_what_the_model_does_wrong_is_told_and_never_raised(name, arguments, says):
    result = await toolbox(files={"x.py": "a\n"}).call(name, arguments)
    assert result.is_error
    assert says in result.text


async def test_files_are_listed_and_the_cut_is_said():
    box = toolbox(files={f"folder/{'n' * 80}{number}.py": "" for number in range(1_000)})
    answer = (await box.call("list_files", {"glob": "*.py"})).text
    assert answer.count("\n") < 1_000
    assert answer.endswith("[Not all paths are shown. Narrow it with glob.]")
    assert (await box.call("list_files", {"glob": "*.c"})).text == "No file has such a path."


async def test_a_path_cannot_forge_a_line_of_an_answer():
    answer = (await toolbox(files={"a\nsrc/b.py:1: fine": "x"}).call("list_files", {})).text
    assert answer == '"a\\nsrc/b.py:1: fine"'


async def test_matches_are_shown_with_place_and_cut():
    box = toolbox(files={"x.py": "needle\n" * 500, "y.py": f"needle {'z' * 1_000}\n"})
    answer = (await box.call("search", {"pattern": "needle"})).text
    assert answer.startswith("x.py:1: needle\nx.py:2: needle\n")
    assert answer.count("needle") == 200
    assert "Not all matching lines are shown" in answer
    assert (await box.call("search", {"pattern": "straw"})).text == "No line matches at head."


# -- the diff and what was seen ----------------------------------------------------------------------


async def test_a_diff_that_was_shown_whole_counts_as_seen():
    box = toolbox()
    answer = (await box.call("read_diff", {"path": "src/b.py"})).text
    assert "\n+x = 1" in answer
    assert box.seen == {"src/b.py"}


async def test_a_diff_too_large_for_one_answer_is_never_seen():
    box = toolbox(LARGE, A)
    answer = await box.call("read_diff", {"path": "large.py"})
    assert not answer.is_error
    assert "Not all lines of this diff are shown" in answer.text
    assert len(answer.text) < ANSWER_BYTES + 500
    await box.call("read_diff", {})
    assert box.seen == {"src/a.py"}


async def test_a_binary_file_is_never_seen():
    box = toolbox(binary("logo.png"), A)
    assert "Binary files differ" in (await box.call("read_diff", {"path": "logo.png"})).text
    answer = (await box.call("read_diff", {})).text
    assert "modified logo.png binary" in answer
    assert box.seen == {"src/a.py"}


async def test_without_a_path_all_diffs_come_page_by_page():
    files = [file_diff(f"f{number}.py", *["+" + "x" * 90] * 150) for number in range(10)]
    box = toolbox(*files)
    answers = []
    while len(box.seen) < 10:
        before = len(box.seen)
        answers.append((await box.call("read_diff", {})).text)
        assert len(box.seen) > before
        assert len(answers[-1]) < ANSWER_BYTES + 500
    assert 2 <= len(answers) <= 5
    assert sum(answer.count("diff --git") for answer in answers) == 10
    assert "Call read_diff again" in answers[0]
    assert "Call read_diff again" not in answers[-1]


async def test_without_a_path_diffs_already_seen_are_shown_again_if_no_other_is_left():
    box = toolbox()
    box.seen.update({"src/a.py", "src/b.py"})
    answer = (await box.call("read_diff", {})).text
    assert "modified src/a.py +2 -1" in answer
    assert answer.count("diff --git") == 2


async def test_what_the_profile_leaves_out_is_shown_only_by_name():
    box = toolbox()
    box.unasked = frozenset({"src/b.py"})
    await box.call("read_diff", {})
    assert box.seen == {"src/a.py"}
    await box.call("read_diff", {"path": "src/b.py"})
    assert box.seen == {"src/a.py", "src/b.py"}


async def test_a_diff_that_could_not_be_had_says_why():
    box = Toolbox(Contents(diff_of(A, omitted=(("big.sql", "300000000 bytes are too large to compare"),))), 3)
    result = await box.call("read_diff", {"path": "big.sql"})
    assert result.is_error
    assert "300000000 bytes" in result.text
    assert "not to be had: big.sql (300000000 bytes are too large to compare)" in (await box.call("read_diff", {})).text
    assert "has no diff to comment on: 300000000 bytes" in await refusal(box, review({**FINDING, "path": "big.sql"}))


# -- handing in --------------------------------------------------------------------------------------


async def test_a_review_is_taken_once_and_then_every_tool_says_so():
    box = toolbox(files={"x": ""})
    assert not (await box.call("submit_review", review(FINDING))).is_error
    assert box.submission is not None
    finding = box.submission.findings[0]
    assert (finding.path, finding.line, finding.start_line, finding.side, finding.severity) == (
        "src/a.py",
        11,
        None,
        Side.RIGHT,
        Severity.ERROR,
    )
    for name, arguments in [("submit_review", review()), ("read_file", {"path": "x"}), ("read_diff", {})]:
        result = await box.call(name, arguments)
        assert result.is_error
        assert "handed in already" in result.text
    assert len(box.submission.findings) == 1


async def test_no_findings_are_a_review():
    box = toolbox()
    assert not (await box.call("submit_review", review())).is_error
    assert box.submission is not None
    assert box.submission.findings == ()


async def test_each_wrong_finding_is_named_with_the_nearest_valid_lines():
    wrong = [
        {**FINDING, "line": 40},
        FINDING,
        {**FINDING, "path": "src/c.py", "title": "Other"},
    ]
    text = await refusal(toolbox(), review(*wrong))
    assert "Finding 1 (Wrong): the diff of src/a.py has no line 40 on RIGHT. The nearest valid lines there: 10 to 12." in text
    assert "Finding 2" not in text
    assert "Finding 3 (Other): src/c.py is not a file that the pull request changes." in text


async def test_a_refused_review_can_be_mended():
    box = toolbox()
    await refusal(box, review({**FINDING, "line": 40}))
    assert not (await box.call("submit_review", review(FINDING))).is_error


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"side": "LEFT", "line": 12}, "no line 12 on LEFT. The nearest valid lines there: 10 to 11."),
        ({"path": "src/b.py", "line": 1, "side": "LEFT"}, "It has no line at all on LEFT; use the other side."),
        ({"start_line": 12}, "start_line 12 comes after line 11"),
        ({"start_line": 5}, "no lines 5 to 11 in one hunk"),
        ({"line": 0}, "line must be"),
        ({"line": "11"}, "line must be"),
        ({"line": 11.0}, "line must be"),
        ({"line": True}, "line must be"),
        ({"severity": "fatal"}, "severity must be one of error, warning, info"),
        ({"severity": ["error"]}, "severity must be one of"),
        ({"side": "right"}, "side must be one of LEFT, RIGHT"),
        ({"title": " "}, "title must be a text"),
        ({"title": "x" * 201}, "title has 201 characters, 200 are allowed"),
        ({"explanation": "x" * 3_001}, "3000 are allowed"),
        ({"explanation": "a\0b"}, "NUL"),
        ({"explanation": "a\ud800b"}, "surrogate"),
        ({"suggestion": 3}, "suggestion must be a text"),
        ({"category": "bug"}, "a finding has no 'category'"),
    ],
)
async def test_a_finding_that_is_none_is_refused(change, says):
    assert says in await refusal(toolbox(), review({**FINDING, **change}))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"summary": "x"}, "findings must be a list"),
        ({"findings": []}, "summary must be a text"),
        (review(summary="  \n"), "summary must be a text"),
        (review(summary="x" * 4_001), "4000 are allowed"),
        (review(summary="\udfff"), "surrogate"),
        (review("oops"), "It must be an object"),
        ({**review(), "approve": True}, "submit_review has no 'approve'"),
        (review(*[FINDING] * 4), "4 findings are too many: keep the 3 most important"),
    ],
)
async def test_what_is_no_review_is_refused(arguments, says):
    assert says in await refusal(toolbox(), arguments)


async def test_all_texts_together_are_bounded():
    many = [{**FINDING, "title": str(number), "explanation": "ü" * 3_000} for number in range(10)]
    assert "All texts together have" in await refusal(toolbox(max_comments=20), review(*many))


async def test_a_range_may_not_leave_its_hunk():
    both = f"{A}@@ -50,1 +51,2 @@\n x\n+y\n"
    box = toolbox(both)
    text = await refusal(box, review({**FINDING, "start_line": 11, "line": 52}))
    assert "no lines 11 to 52 in one hunk on RIGHT. The nearest valid lines there: 10 to 12, 51 to 52." in text
    assert not (await box.call("submit_review", review({**FINDING, "start_line": 51, "line": 52}))).is_error


async def test_repeated_findings_are_one_and_a_title_is_one_line():
    box = toolbox()
    await box.call(
        "submit_review", review({**FINDING, "title": "a\n  b"}, {**FINDING, "title": "a b"}, {**FINDING, "suggestion": None, "side": None})
    )
    assert box.submission is not None
    assert [finding.title for finding in box.submission.findings] == ["a b", "Wrong"]


async def test_a_file_without_lines_cannot_be_commented_on():
    box = toolbox(A, "diff --git a/m b/m\nold mode 100644\nnew mode 100755\n", binary("logo.png"))
    assert "m has no line in the diff (modified)" in await refusal(box, review({**FINDING, "path": "m"}))
    assert "logo.png has no line in the diff (binary)" in await refusal(box, review({**FINDING, "path": "logo.png"}))
