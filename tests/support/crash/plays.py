"""The lives that a pull request leads in the crash matrix. Each play is written once and is played with and without
crashes; where it says `give_orders`, whatever the case orders may happen from then on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from prreview_cli.core.job import AT_REST, State
from prreview_cli.trials.simulators.behaviours import always, held, reviewer
from prreview_cli.trials.simulators.conversation import Refusal
from prreview_cli.trials.simulators.faults import Fault, bad_gateway
from prreview_cli.trials.simulators.loopback import Gate
from support.crash.lane import WAIT_S, Lane
from support.crash.words import Subject

Play = Callable[[Lane], Awaitable[list[Subject]]]


async def reviewed(lane: Lane) -> list[Subject]:
    """The main line."""
    subject = lane.subject()
    lane.give_orders()
    await lane.send(lane.word(subject))
    await lane.rest(subject)
    return [subject]


async def reviewed_again(lane: Lane) -> list[Subject]:
    """A push after a review: the earlier one is marked outdated."""
    subject = lane.subject()
    await lane.send(lane.word(subject))
    await lane.rest(subject)
    lane.push(subject)
    lane.give_orders()
    await lane.send(lane.word(subject, "synchronize"))
    await lane.rest(subject)
    return [subject]


async def failed_once(lane: Lane) -> list[Subject]:
    """The host has a bad moment: the job is scheduled, ripens, and is reviewed."""
    subject = lane.subject()
    lane.stage.host.faults.append(Fault("GET", f"*/pulls/{subject.pull.number}", bad_gateway()))
    lane.give_orders()
    await lane.send(lane.word(subject))
    await lane.rest(subject)
    return [subject]


async def host_behind(lane: Lane) -> list[Subject]:
    """The host's API shows the head before the one that its webhook named, for a while."""
    subject = lane.subject()
    lane.push(subject)
    word, head, at = lane.word(subject), subject.pull.head_sha, subject.pull.updated_at
    subject.pull.head_sha, subject.pull.updated_at = subject.heads[0], at - timedelta(minutes=1)
    lane.give_orders()
    await lane.send(word)
    await lane.reach(lambda: lane.obeyed() and lane.states(subject) == [State.SCHEDULED])
    subject.pull.head_sha, subject.pull.updated_at = head, at
    await lane.rest(subject)
    return [subject]


async def key_revoked(lane: Lane) -> list[Subject]:
    """The model rejects the key: the profile pauses, and the job is handed back."""
    subject = lane.subject()
    lane.stage.model.revoke_key()
    lane.give_orders()
    await lane.send(lane.word(subject))
    await lane.reach(lambda: lane.obeyed() and lane.paused() and lane.states(subject) == [State.QUEUED])
    lane.stage.model.restore_key()
    await lane.resume()
    await lane.rest(subject)
    return [subject]


async def closed_unheard(lane: Lane) -> list[Subject]:
    """Closed, and the worker is the first to see it."""
    subject = lane.subject()
    word = lane.word(subject)
    lane.stage.host.touch(subject.pull, state="closed")
    lane.give_orders()
    await lane.send(word)
    await lane.rest(subject)
    return [subject]


async def pushed_unheard(lane: Lane) -> list[Subject]:
    """Pushed, and the worker is the first to see it: the newer head gets its job in the settlement."""
    subject = lane.subject()
    word = lane.word(subject)
    lane.push(subject)
    lane.give_orders()
    await lane.send(word)
    await lane.rest(subject)
    return [subject]


async def refused(lane: Lane) -> list[Subject]:
    """The model refuses the request: the job dies."""
    subject = lane.subject()
    lane.stage.model.script = always(Refusal(400, "invalid_request_error", "prompt is too long"))
    lane.give_orders()
    await lane.send(lane.word(subject))
    await lane.rest(subject)
    return [subject]


async def closed_while_queued(lane: Lane) -> list[Subject]:
    """Closed while the job waits."""
    subject = await _waiting(lane)
    lane.stage.host.touch(subject.pull, state="closed")
    lane.give_orders()
    await lane.send(lane.word(subject, "closed"))
    await lane.resume()
    await lane.rest(subject)
    return [subject]


async def pushed_while_queued(lane: Lane) -> list[Subject]:
    """Pushed while the job waits."""
    subject = await _waiting(lane)
    lane.push(subject)
    lane.give_orders()
    await lane.send(lane.word(subject, "synchronize"))
    await lane.resume()
    await lane.rest(subject)
    return [subject]


async def pushed_away_and_back(lane: Lane) -> list[Subject]:
    """A force-push brings the former head back, whose job was superseded."""
    subject = await _waiting(lane)
    lane.push(subject)
    await lane.send(lane.word(subject, "synchronize"))
    lane.stage.host.touch(subject.pull, head_sha=subject.heads[0])
    lane.give_orders()
    await lane.send(lane.word(subject, "synchronize"))
    await lane.resume()
    await lane.rest(subject)
    return [subject]


async def reopened(lane: Lane) -> list[Subject]:
    """Closed before its review, and opened again."""
    subject = await _skipped(lane)
    lane.give_orders()
    await lane.send(lane.word(subject, "reopened"))
    await lane.rest(subject)
    return [subject]


async def retried_by_hand(lane: Lane) -> list[Subject]:
    """`jobs retry` on a skipped job."""
    subject = await _skipped(lane)
    lane.give_orders()
    await lane.command("jobs", "retry", lane.rows(subject)[0].id)
    await lane.rest(subject)
    return [subject]


async def cancelled_by_hand(lane: Lane) -> list[Subject]:
    """`jobs cancel` on a waiting job."""
    subject = await _waiting(lane)
    lane.give_orders()
    await lane.command("jobs", "cancel", lane.rows(subject)[0].id)
    await lane.resume()
    await lane.rest(subject)
    return [subject]


async def enqueued_by_hand(lane: Lane) -> list[Subject]:
    """`enqueue`."""
    subject = lane.subject()
    lane.give_orders()
    await lane.command("enqueue", f"{subject.hosted.name}#{subject.pull.number}")
    await lane.rest(subject)
    return [subject]


async def reviewed_at_once(lane: Lane) -> list[Subject]:
    """`review`, and nobody else asks: where it dies, nothing is left to a pool; given again it finishes."""
    subject = lane.subject()
    lane.give_orders()
    if await lane.review(subject) < 0:
        await lane.reach(lambda: lane.obeyed() and AT_REST.issuperset(lane.states(subject)))
        assert lane.states(subject) in ([], [State.SKIPPED])
        assert await lane.review(subject) == 0
    await lane.rest(subject)
    return [subject]


async def delivered_meanwhile(lane: Lane) -> list[Subject]:
    """A delivery names the head while `review` holds it: where that dies, a pool finishes."""
    subject, gate, asked = lane.subject(), Gate(), len(lane.stage.model.requests)
    lane.stage.model.script = held(gate, reviewer(turns=2))
    lane.give_orders()
    reviewing = asyncio.create_task(lane.review(subject))
    await lane.stage.model.watch.until(lambda: len(lane.stage.model.requests) > asked, WAIT_S)
    await lane.send(lane.word(subject))
    gate.open()
    await reviewing
    await lane.rest(subject)
    return [subject]


# -- with a long interval between two reviews ------------------------------------------------------------


async def closed_while_scheduled(lane: Lane) -> list[Subject]:
    """Closed while the job of a push waits for its time."""
    subject = await _scheduled(lane)
    lane.stage.host.touch(subject.pull, state="closed")
    lane.give_orders()
    await lane.send(lane.word(subject, "closed"))
    await lane.resume()
    await lane.rest(subject)
    return [subject]


async def pushed_while_scheduled(lane: Lane) -> list[Subject]:
    """Pushed again while the job of a push waits for its time."""
    subject = await _scheduled(lane)
    lane.push(subject)
    lane.give_orders()
    await lane.send(lane.word(subject, "synchronize"))
    await lane.resume()
    return [await _closed_at_last(lane, subject)]


async def dead_and_asked_again(lane: Lane) -> list[Subject]:
    """A dead job whose head is asked for again moments after its review began: revived, and postponed."""
    subject = await _dead(lane)
    lane.give_orders()
    await lane.send(lane.word(subject, "reopened"))
    return [await _closed_at_last(lane, subject)]


async def repository_gone(lane: Lane) -> list[Subject]:
    """One pull request waits, another one's head waits for its time, and the repository is deleted: all end."""
    first, second, third = lane.repository(3)
    await lane.send(lane.word(third))
    await lane.rest(third)
    await lane.pause()
    lane.push(third)
    for subject, action in ((first, "opened"), (second, "opened"), (third, "synchronize")):
        await lane.send(lane.word(subject, action))
    assert lane.states(third)[-1] is State.SCHEDULED
    lane.stage.host.world.repositories.pop(first.hosted.id)
    lane.give_orders()
    await lane.resume()
    await lane.rest(first, second, third)
    return [first, second, third]


# -- how they begin and end ----------------------------------------------------------------------------------


async def _waiting(lane: Lane) -> Subject:
    subject = lane.subject()
    await lane.pause()
    await lane.send(lane.word(subject))
    assert lane.states(subject)[-1] is State.QUEUED
    return subject


async def _scheduled(lane: Lane) -> Subject:
    subject = lane.subject()
    await lane.send(lane.word(subject))
    await lane.rest(subject)
    await lane.pause()
    lane.push(subject)
    await lane.send(lane.word(subject, "synchronize"))
    assert lane.states(subject)[-1] is State.SCHEDULED
    return subject


async def _skipped(lane: Lane) -> Subject:
    subject = lane.subject()
    word = lane.word(subject)
    lane.stage.host.touch(subject.pull, state="closed")
    await lane.send(word)
    await lane.rest(subject)
    lane.stage.host.touch(subject.pull, state="open")
    return subject


async def _dead(lane: Lane) -> Subject:
    subject = lane.subject()
    lane.stage.model.script = always(Refusal(400, "invalid_request_error", "prompt is too long"))
    await lane.send(lane.word(subject))
    await lane.rest(subject)
    lane.stage.model.script = reviewer(turns=2)
    return subject


async def _closed_at_last(lane: Lane, subject: Subject) -> Subject:
    """Nobody waits for the time of a scheduled job."""
    assert lane.states(subject)[-1] is State.SCHEDULED
    lane.stage.host.touch(subject.pull, state="closed")
    await lane.send(lane.word(subject, "closed"))
    await lane.rest(subject)
    return subject
