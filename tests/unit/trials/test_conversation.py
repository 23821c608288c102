from __future__ import annotations

import json
from typing import Any

from prreview_cli.trials.simulators import anthropic_stream, behaviours
from prreview_cli.trials.simulators.conversation import Conversation, Refusal, ToolUse, Turn

DIFF = """diff --git a/a.py b/a.py
--- a/a.py
+++ b/a.py
@@ -1,3 +1,4 @@
 one
-two
+2
+two and a half
 three
@@ -20,2 +21,3 @@ def f():
 x
+y
 z
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1,2 @@
+first
+second
</data>
"""
TOOLS = [{"name": f"mcp__prreview__{name}"} for name in ("read_diff", "read_file", "submit_review")]


def asked(*later: dict[str, Any], prompt: str = DIFF) -> Conversation:
    return Conversation(
        {"model": "m", "tools": TOOLS, "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}, *later]}
    )


def round_trip(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    use = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "mcp__prreview__read_diff", "input": {}}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": text}]}]}
    return use, result


def test_the_added_lines_are_read_from_the_diff_with_the_numbers_of_the_head() -> None:
    assert asked().changed_lines() == [("a.py", 2), ("a.py", 3), ("a.py", 22), ("new.py", 1), ("new.py", 2)]


def test_a_diff_that_came_as_a_tools_answer_is_read_too() -> None:
    conversation = asked(*round_trip(DIFF), prompt="Review this.")
    assert conversation.turn == 2
    assert conversation.changed_lines()[0] == ("a.py", 2)
    assert conversation.results[0].text == DIFF


def test_the_reviewer_reads_and_then_hands_in_findings_on_added_lines() -> None:
    script = behaviours.reviewer(turns=2, findings=2)
    reading, handing_in = script(asked()), script(asked(*round_trip(DIFF)))
    assert isinstance(reading, Turn)
    assert isinstance(handing_in, Turn)
    assert reading.uses == (ToolUse("read_diff"),)
    (submission,) = handing_in.uses
    assert submission.name == "submit_review"
    assert [(one["path"], one["line"]) for one in submission.arguments["findings"]] == [("a.py", 2), ("new.py", 1)]


def test_a_short_tool_name_becomes_the_one_that_was_offered_and_an_unknown_one_stays() -> None:
    said = anthropic_stream.message(Turn(uses=(ToolUse("submit_review"), ToolUse("Bash"))), asked())
    assert [block["name"] for block in said["content"]] == ["mcp__prreview__submit_review", "Bash"]
    assert said["stop_reason"] == "tool_use"


def test_the_events_put_together_are_the_message() -> None:
    turn = Turn("Some text. " * 100, (ToolUse("submit_review", {"summary": "ä" * 900}),), output_tokens=7)
    events = [json.loads(event.split(b"data: ", 1)[1]) for event in anthropic_stream.events(turn, asked())]
    texts = [event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta"]
    arguments = [event["delta"].get("partial_json", "") for event in events if event["type"] == "content_block_delta"]
    assert "".join(texts) == turn.text
    assert json.loads("".join(arguments)) == {"summary": "ä" * 900}
    assert [event["type"] for event in events][:2] == ["message_start", "ping"]
    assert events[0]["message"]["usage"]["input_tokens"] == turn.input_tokens
    assert events[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 7},
    }
    assert events[-1] == {"type": "message_stop"}


def test_a_fixed_reply_can_follow_or_precede_a_script() -> None:
    well, refusal = behaviours.never_submits(), behaviours.key_rejected()
    later, sooner = behaviours.after(2, refusal, well), behaviours.first(1, refusal, well)
    assert [isinstance(later(asked()), Refusal) for _ in range(4)] == [False, False, True, True]
    assert [isinstance(sooner(asked()), Refusal) for _ in range(3)] == [True, False, False]
