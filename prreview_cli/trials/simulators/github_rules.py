"""What GitHub refuses of a review (422), in its own words; it is all or nothing and never names the bad comment."""

from __future__ import annotations

from typing import Any

from prreview_cli.trials.simulators.github_state import Hosted, Pull
from prreview_cli.trials.simulators.repository import Hunk

BODY_LIMIT = 65536
EVENTS = {"COMMENT": "COMMENTED", "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED"}

Json = dict[str, Any]


def refusal(hosted: Hosted, pull: Pull, review: Json, *, has_pending: bool) -> str | None:
    """Why this `POST …/reviews` cannot be stored, or None. Asks git, so it blocks for some milliseconds."""
    commit = review.get("commit_id") or pull.head_sha
    base = hosted.base_tip()
    if has_pending:
        return "User can only have one pending review per pull request"
    if review.get("event") not in {None, *EVENTS}:
        return "Variable $event of type PullRequestReviewEvent was provided invalid value"
    if len(review.get("body") or "") > BODY_LIMIT:
        return f"Body is too long (maximum is {BODY_LIMIT} characters)"
    if review.get("event") and not review.get("body") and not review.get("comments"):
        return "Review body can't be blank"
    if commit not in hosted.git.commits_between(base, pull.head_sha):
        return "The end_commit_oid is not part of the pull request."
    hunks = hosted.git.hunks(hosted.git.merge_base(base, commit), commit)
    return next((wrong for comment in review.get("comments") or () if (wrong := _refused_comment(comment, hunks))), None)


def _refused_comment(comment: Json, hunks: dict[str, list[Hunk]]) -> str | None:
    path, line, side = comment.get("path", ""), comment.get("line"), comment.get("side", "RIGHT")
    if path not in hunks:
        return "Path could not be resolved"
    if not comment.get("body") or len(comment["body"]) > BODY_LIMIT:
        return "Comment body is blank or too long"
    here = [hunk for hunk in hunks[path] if _spans(hunk, side, line)]
    if not here:
        return "Line could not be resolved"
    start = comment.get("start_line")
    if start is None:
        return None
    if not _spans(here[0], comment.get("start_side") or side, start):
        return "Start line must be part of the same hunk as the line."
    return None if start < line else "Start line must precede the end line."


def _spans(hunk: Hunk, side: str, line: object) -> bool:
    first, last = hunk.left if side == "LEFT" else hunk.right
    return isinstance(line, int) and first <= line <= last
