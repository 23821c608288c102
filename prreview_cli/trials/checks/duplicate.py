"""The same webhook twice posts once: after another, at the same time, and once more after a newer head."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prreview_cli.trials.checks.scene import Scene
from prreview_cli.trials.simulators.behaviours import held
from prreview_cli.trials.simulators.loopback import Gate
from prreview_cli.trials.stand import ordinary
from prreview_cli.trials.verdict import Promise

NAME = "duplicate"
PULLS = 3
AT_ONCE = 6
"""Deliveries of one webhook that are made at the same time; every second has an id of its own, as no redelivery would."""


async def check(scene: Scene, numbers: Sequence[int]) -> Promise:
    """Counts the reviews that the host stored: one for each head, and none for a head that was pushed away before its post."""
    again, at_once, pushed = numbers
    gate, stand = Gate(), scene.stand
    scene.scripts[pushed] = held(gate, ordinary())
    older = stand.delivery(pushed)
    old_head = stand.hosted.pulls[pushed].head_sha
    acks = await scene.fire([(pushed, older)])
    # Its review is held in its first model call: no post of the older head can be under way when the newer one comes.
    came = await scene.until(lambda: gate.arrived > 0)
    try:
        await asyncio.to_thread(stand.host.push, stand.hosted, pushed)
        acks += await scene.fire([(pushed, stand.delivery(pushed, "synchronize"))])
        acks += await scene.fire([(pushed, stand.again(older))])
    finally:
        gate.open()
    same, burst = stand.delivery(again), stand.delivery(at_once)
    acks += await scene.fire([(again, same)])
    acks += await scene.fire([(again, same)])
    acks += await scene.fire([(at_once, burst if number % 2 else stand.again(burst)) for number in range(AT_ONCE)])
    new_head = stand.hosted.pulls[pushed].head_sha
    await scene.until(lambda: scene.all_posted(numbers) and any(review.commit_id == new_head for review in stand.posts([pushed])))
    await scene.settled()
    posts, twice = stand.posts(numbers), scene.twice(numbers)
    stale = sum(review.commit_id == old_head for review in stand.posts([pushed]))
    accepted = sum(ack.accepted for ack in acks)
    reviewed = len({review.number for review in posts if review.commit_id != old_head})
    return Promise(
        NAME,
        came and accepted == len(acks) and reviewed == PULLS and not twice and not stale,
        f"{accepted} of {len(acks)} deliveries of {PULLS} pull requests acknowledged, {reviewed} reviewed, "
        f"{twice} posted twice, {stale} for an older head",
    )
