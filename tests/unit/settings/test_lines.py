from __future__ import annotations

import tomllib
from dataclasses import dataclass

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from prreview_cli.settings.lines import lines_of


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("a = 1\nb = 2\n", "b", 2),
        ("# a = 1\n\n[t]\n# b\nb = 2", "t.b", 5),
        ("[t]\n[u]\nb = 2", "u", 2),
        ("a.b = 1\na.c = 2", "a.c", 2),
        ("\"a\" = 1\n'b' = 2", "b", 2),
        ('t = { x = 1, y = "}" , z = 3 }\nw = 1', "w", 2),
        ('a = """\nb = 1\n"""\nb = 2', "b", 4),
        ("a = '''\nb = 1\n'''\nb = 2", "b", 4),
        ('a = [\n  "b = 1", # ]\n  "x",\n]\nb = 2', "b", 5),
        ("a = [[1, 2], [\n3]]\nb = 2", "b", 3),
        ('a = "\\"\\n"\nb = 2', "b", 2),
        ('a = """\\""""\nb = 2', "b", 2),
        ('a = """"x"""""\nb = 2', "b", 2),
        ("a = 1979-05-27 07:32:00 # when\nb = 2", "b", 2),
        ("[[t]]\na = 1\n[[t]]\nb = 2", "t.b", 4),
        ("[ t . u ]\nb=2", "t.u.b", 2),
        ("a = 1\r\nb = 2\r\n", "b", 2),
        ("t = { a = [\n1,\n2], b = 3 }", "t.b", 3),
        ("\n\n[t.u]\n", "t", 3),
    ],
)
def test_a_key_is_found_on_its_line(text: str, key: str, line: int) -> None:
    tomllib.loads(text)

    assert lines_of(text)[tuple(key.split("."))] == line


def test_the_first_naming_of_a_key_counts() -> None:
    assert lines_of("[a.b]\nx = 1\n[a.c]\nx = 2")[("a",)] == 1


@dataclass(frozen=True)
class _Piece:
    """A value's text, which spans lines and looks like keys."""

    text: str


_VALUES = st.sampled_from(
    [
        "1",
        "-1.5e3",
        "true",
        '"k0 = 1"',
        "'[k1]'",
        '"""\nk2 = 3\n[k3]\n"""',
        "'''\n# k4 = '\n'''",
        "[\n 'k5 = 1', # k6 = 2\n [1,\n 2]]",
        '{ inner = "k7 = 1", "quoted key" = [1, { deep = 2 }] }',
        "1979-05-27T07:32:00Z",
        '"\\u00e9 \\" # no comment"',
    ]
).map(_Piece)
_BLANKS = st.sampled_from(["", "\n", "# k0 = 1\n", "   \n\t# [k1]\n\n"])


@settings(deadline=None)  # a busy machine is not a failure
@given(st.lists(st.tuples(_BLANKS, st.sampled_from(["{}", '"{}"', "'{}'"]), st.booleans(), _VALUES, st.sampled_from(["", " # = end"]))))
def test_lines_are_right_among_decoys(parts: list[tuple[str, str, bool, _Piece, str]]) -> None:
    text, expected, table = "", {}, ()
    for index, (blank, quoting, opens_table, value, comment) in enumerate(parts):
        text += blank
        if opens_table:
            table = (f"k{index}",)
            expected[table] = text.count("\n") + 1
            text += f"[{quoting.format(table[0])}]{comment}\n"
        expected[(*table, f"v{index}")] = text.count("\n") + 1
        text += f"{quoting.format(f'v{index}')} = {value.text}{comment}\n"
    tomllib.loads(text)

    found = lines_of(text)

    assert {key: found.get(key) for key in expected} == expected


_KEYS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
_LEAVES = st.one_of(st.booleans(), st.integers(), st.text(st.characters(exclude_categories=("Cs",)), max_size=20))
_TREES = st.dictionaries(
    _KEYS, st.recursive(_LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)))
)


@settings(deadline=None)  # a busy machine is not a failure
@given(_TREES)
def test_every_key_of_any_document_is_found(tree: dict[str, object]) -> None:
    text = tomli_w.dumps(tree, multiline_strings=True)

    found = lines_of(text)

    assert {path for path in _paths(tree) if path not in found} == set()
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


def _paths(tree: object, at: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if not isinstance(tree, dict):
        return set()
    return {(*at, key) for key in tree} | {path for key, value in tree.items() for path in _paths(value, (*at, key))}
