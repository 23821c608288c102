"""The agent's five tools as the model is told of them (SPEC §9); what they do is in `core.toolbox`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SERVER_NAME = "prreview"

MAX_SUMMARY = 4_000
MAX_TITLE = 200
MAX_TEXT = 3_000
"""Characters of a summary, of a finding's title, of its explanation and of its suggestion."""


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the model is told of it; `input_schema` is JSON Schema."""

    name: str
    description: str
    input_schema: dict[str, Any]

    @property
    def wire_name(self) -> str:
        """The name under which the model sees it."""
        return f"mcp__{SERVER_NAME}__{self.name}"


def _object(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _string(description: str, *values: str) -> dict[str, Any]:
    return {"type": "string", "description": description} | ({"enum": list(values)} if values else {})


def _number(description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "description": description}


_PATH = _string("The file's path from the repository's root, as the list of changed files and list_files write it.")
_GLOB = _string("Only these paths. `*` stays within a folder, `**` crosses folders; a glob without a slash fits a name in any folder.")
_REVISION = _string('"head" (default): with the pull request\'s changes. "base": without them.', "head", "base")

_FINDING = _object(
    ["path", "line", "severity", "title", "explanation"],
    path=_string("A changed file's path."),
    line=_number("The line the comment stands at: a line of that file's diff on that side. The last one, if it covers several."),
    start_line=_number("The first line, if the comment covers several. Must be in the same hunk as line and not after it."),
    side=_string('"RIGHT" (default): lines of the head, marked + or unmarked. "LEFT": removed lines, marked -.', "RIGHT", "LEFT"),
    severity=_string(
        "error: it will go wrong. warning: it goes wrong in a case you can name. info: worth knowing.", "error", "warning", "info"
    ),
    title=_string(f"The fault in one line of at most {MAX_TITLE} characters."),
    explanation=_string(
        f"The input or state in which it goes wrong, what happens then, and why. At most {MAX_TEXT} characters, plain Markdown."
    ),
    suggestion=_string(f"How to mend it, in words or code, if you are sure. At most {MAX_TEXT} characters."),
)

TOOLS: tuple[ToolSpec, ...] = (
    ToolSpec(
        "list_files",
        "List the paths of the files in a commit. Use a glob: a whole repository may be too long for one answer.",
        _object([], glob=_GLOB, revision=_REVISION),
    ),
    ToolSpec(
        "read_file",
        "Read a file with line numbers. Ask for a range of lines around what you need. Use it to check how changed code is used"
        " or what it relies on; to see what changed, use read_diff.",
        _object(
            ["path"],
            path=_PATH,
            start_line=_number("The first line wanted, from 1 on. Default: 1."),
            end_line=_number("The last line wanted. Default: as far as one answer goes."),
            revision=_REVISION,
        ),
    ),
    ToolSpec(
        "search",
        "Find the lines that a Perl-compatible regular expression matches, letters' case counting, in all files of a commit."
        " Use it to find callers, definitions and similar code. Very large files are not searched.",
        _object(["pattern"], pattern=_string("The regular expression; it matches within one line."), glob=_GLOB, revision=_REVISION),
    ),
    ToolSpec(
        "read_diff",
        "Read the diff of one changed file. Without a path: the list of changed files, then as many whole diffs that you have not"
        " seen yet as fit; call it again for the next ones.",
        _object([], path=_PATH),
    ),
    ToolSpec(
        "submit_review",
        "Hand in the review, once, at the end. A finding that does not stand on a line of the diff is refused and the answer says"
        " which lines are valid; mend it and hand in all of it again. No findings is a good review of good code.",
        _object(
            ["summary", "findings"],
            summary=_string(
                f"What the pull request does and what you think of it, in short. At most {MAX_SUMMARY} characters, plain Markdown."
            ),
            findings={"type": "array", "items": _FINDING, "description": "The findings, worst first; [] if there are none."},
        ),
    ),
)
