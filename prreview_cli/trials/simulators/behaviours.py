"""Scripts for the model: one that reviews well, and the ways in which a model or its provider misbehaves."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from prreview_cli.trials.simulators.conversation import Conversation, CutShort, Garbage, Refusal, Reply, Script, ToolUse, Turn
from prreview_cli.trials.simulators.loopback import Gate

READING_TURNS = 2


def reviewer(*, turns: int = READING_TURNS + 1, first_wait_s: float = 0.0, wait_s: float = 0.0, findings: int = 1) -> Script:
    """Reads, then hands in a review at turn `turns` with up to so many findings on lines that the diff added.

    Thinks for `first_wait_s` before its first turn and for `wait_s` before each other. A review that was
    refused is not bettered: the trial is to see it.
    """

    def script(asked: Conversation) -> Reply:
        if asked.turn < turns:
            return Turn("Let me look.", (_reading(asked),), first_wait_s if asked.turn == 1 else wait_s)
        if asked.turn == turns:
            return Turn("", (ToolUse("submit_review", review(asked, findings)),), wait_s)
        return Turn("The review is handed in.", (), wait_s)

    return script


def review(asked: Conversation, findings: int) -> dict[str, Any]:
    """The arguments of a `submit_review` anchored on what was shown: one finding a file, at its first added line."""
    firsts: dict[str, int] = {}
    for path, line in asked.changed_lines():
        firsts.setdefault(path, line)
    return {
        "summary": f"The change touches {len(firsts)} file(s); what stands out is named below.",
        "findings": [finding(path, line) for path, line in list(firsts.items())[:findings]],
    }


def finding(path: str, line: int) -> dict[str, Any]:
    """A finding in the wire form of the tools."""
    return {
        "path": path,
        "line": line,
        "severity": "warning",
        "title": "An amount below zero is not considered",
        "explanation": "Called with a negative amount, this goes on as if nothing were wrong; the caller sees a wrong total.",
    }


def held(gate: Gate, then: Script) -> Script:
    """As `then`, with the first turn of each conversation held at a gate."""

    def script(asked: Conversation) -> Reply:
        reply = then(asked)
        return replace(reply, wait_s=0.0, gate=gate) if isinstance(reply, Turn) and asked.turn == 1 else reply

    return script


def never_submits() -> Script:
    """Talks, and hands in nothing."""
    return lambda _asked: Turn("Looks good to me!")


def calls(tool: str, arguments: dict[str, Any]) -> Script:
    """A hostile or confused model: calls a tool that it was not offered, then ends."""
    return lambda asked: Turn("", (ToolUse(tool, arguments),)) if asked.turn == 1 else Turn("Done.")


def echoes(text: str) -> Script:
    """Hands in a review with this text in summary and finding."""

    def script(asked: Conversation) -> Reply:
        if asked.turn > 1:
            return Turn("Done.")
        handed_in = review(asked, 1)
        marked = [{**one, "explanation": f"{one['explanation']} {text}"} for one in handed_in["findings"]]
        return Turn("", (ToolUse("submit_review", {"summary": text, "findings": marked}),))

    return script


# -- the provider's bad days -----------------------------------------------------------------------


def key_rejected(message: str = "invalid x-api-key") -> Reply:
    """401."""
    return Refusal(401, "authentication_error", message)


def forbidden() -> Reply:
    """403."""
    return Refusal(403, "permission_error", "Your API key does not have permission to use the specified resource.")


def rate_limited(retry_after_s: int | None = None) -> Reply:
    """429, with or without a hint."""
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    return Refusal(429, "rate_limit_error", "This request would exceed your organization's rate limit.", headers)


def overloaded() -> Reply:
    """529."""
    return Refusal(529, "overloaded_error", "Overloaded")


def broken() -> Reply:
    """500."""
    return Refusal(500, "api_error", "Internal server error")


def credit_exhausted() -> Reply:
    """400, which concerns the account and not the request."""
    return Refusal(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API.")


def model_gone(model: str = "the-model") -> Reply:
    """404."""
    return Refusal(404, "not_found_error", f"model: {model}")


def garbage() -> Reply:
    """200 and HTML."""
    return Garbage()


def cut_short() -> Reply:
    """A stream that ends in its midst."""
    return CutShort(Turn("This sentence is never finished, and neither is the stream that it stands in."))


def after(requests: int, reply: Reply, then: Script) -> Script:
    """`then` answers the first so many requests, the fixed reply all later ones."""
    return _counted(lambda number, asked: then(asked) if number <= requests else reply)


def first(requests: int, reply: Reply, then: Script) -> Script:
    """The fixed reply to the first so many requests, then what `then` says."""
    return _counted(lambda number, asked: reply if number <= requests else then(asked))


def always(reply: Reply) -> Script:
    """The same to everyone."""
    return lambda _asked: reply


def _counted(choose: Any) -> Script:
    lock, seen = threading.Lock(), 0

    def script(asked: Conversation) -> Reply:
        nonlocal seen
        with lock:
            seen += 1
            number = seen
        reply: Reply = choose(number, asked)
        return reply

    return script


def _reading(asked: Conversation) -> ToolUse:
    lines = asked.changed_lines()
    if asked.turn == 1 or not lines:
        return ToolUse("read_diff")
    return ToolUse("read_file", {"path": lines[0][0]})
