"""What was seen of a trial's server from outside, put together for the verdict."""

from __future__ import annotations

from collections.abc import Sequence

from prreview_cli.trials.burst import Ack
from prreview_cli.trials.progress import Options
from prreview_cli.trials.simulators.code_host import Seen
from prreview_cli.trials.simulators.github_routes import REVIEW_POSTED
from prreview_cli.trials.stand import Stand, name_of
from prreview_cli.trials.verdict import Killing, Observed


def observed(
    stand: Stand, options: Options, *, deliveries: int, acks: Sequence[Ack], exit_code: int, killing: Killing | None = None
) -> Observed:
    """All that the simulators and the sender of the webhooks know."""
    return Observed(
        workers=options.workers,
        per_repository=options.limits.per_repository,
        calls_per_review=options.limits.calls_per_review,
        reviews=tuple(name_of(number) for number in stand.hosted.pulls),
        deliveries=deliveries,
        acks=tuple(acks),
        posted=tuple(name_of(review.number) for review in stand.host.reviews()),
        peak_in_flight=stand.activity.peak(),
        peak_model_calls=stand.model.peak_in_flight,
        refused=sum(map(_refused, stand.host.requests)),
        strayed=(*(f"{seen.method} {seen.path}" for seen in stand.host.requests if not seen.route), *stand.model.elsewhere),
        exit_code=exit_code,
        killing=killing,
    )


def forget_the_ordinary(stand: Stand) -> None:
    """Forget the requests to the host that `observed` has no use for: those of a long trial would fill the memory."""
    requests = stand.host.requests
    known = len(requests)
    requests[:known] = [seen for seen in requests[:known] if not seen.route or _refused(seen)]


def _refused(seen: Seen) -> bool:
    return seen.route == REVIEW_POSTED and seen.status == 422
