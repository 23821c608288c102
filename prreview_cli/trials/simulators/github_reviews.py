"""The routes of reviews: list, post, edit, and delete a pending one."""

from __future__ import annotations

import asyncio

from prreview_cli.trials.simulators import github_rules
from prreview_cli.trials.simulators.github_desk import Call, Desk, Json, error
from prreview_cli.trials.simulators.github_state import StoredReview
from prreview_cli.trials.simulators.http import Response, json_response


async def reviews(desk: Desk, call: Call) -> Response:
    """All reviews, oldest first; pending ones are shown to their author alone."""
    of_pull = call.hosted.reviews_of(call.pull.number)
    return desk.page(
        call, [desk.shapes.review(call.hosted, review) for review in of_pull if review.state != "PENDING" or review.login == call.login]
    )


async def post(desk: Desk, call: Call) -> Response:
    """Store a whole review, or refuse it whole."""
    wanted = call.json()
    if wanted is None:
        return error(400, "Problems parsing JSON")
    wrong = await asyncio.to_thread(github_rules.refusal, call.hosted, call.pull, wanted, has_pending=_has_pending(call))
    if wrong is not None:
        return error(422, "Unprocessable Entity", wrong)
    review = _stored(desk, call, wanted)
    call.hosted.reviews.append(review)
    return json_response(desk.shapes.review(call.hosted, review))


async def put(desk: Desk, call: Call) -> Response:
    """Replace the body of a review of one's own."""
    review, wanted = _own(call), call.json()
    if review is None:
        return error(404, "Not Found")
    if wanted is None or not wanted.get("body") or len(wanted["body"]) > github_rules.BODY_LIMIT:
        return error(422, "Unprocessable Entity", "Body is blank or too long")
    review.body = wanted["body"]
    return json_response(desk.shapes.review(call.hosted, review))


async def delete(desk: Desk, call: Call) -> Response:
    """Delete a review of one's own that was never submitted."""
    review = _own(call)
    if review is None:
        return error(404, "Not Found")
    if review.state != "PENDING":
        return error(422, "Unprocessable Entity", "Can not delete a non-pending pull request review")
    call.hosted.reviews.remove(review)
    return json_response(desk.shapes.review(call.hosted, review))


def _stored(desk: Desk, call: Call, wanted: Json) -> StoredReview:
    return StoredReview(
        id=next(desk.world.ids),
        number=call.pull.number,
        login=call.login,
        body=wanted.get("body") or "",
        state=github_rules.EVENTS.get(wanted.get("event", ""), "PENDING"),
        commit_id=wanted.get("commit_id") or call.pull.head_sha,
        comments=wanted.get("comments") or [],
        submitted_at=desk.clock.now(),
    )


def _has_pending(call: Call) -> bool:
    return any(review.state == "PENDING" and review.login == call.login for review in call.hosted.reviews_of(call.pull.number))


def _own(call: Call) -> StoredReview | None:
    mine = (review for review in call.hosted.reviews_of(call.pull.number) if review.login == call.login)
    return next((review for review in mine if review.id == int(call.rest)), None)
