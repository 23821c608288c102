"""Ten webhooks at once stay within the worker count: the depth rises, and drains."""

from __future__ import annotations

from collections.abc import Sequence

from prreview_cli.trials.checks.scene import Scene
from prreview_cli.trials.verdict import Promise

NAME = "burst"
PULLS = 10


async def check(scene: Scene, numbers: Sequence[int]) -> Promise:
    """Depth is what was acknowledged and not begun, and in flight what the host and the model were asked about."""
    activity, model, clock = scene.stand.activity, scene.stand.model, scene.stand.clock
    before, began = activity.begun_now(), clock.monotonic()
    acks = await scene.open(numbers)
    acknowledged = sum(ack.accepted for ack in acks)
    waited = acknowledged - (activity.begun_now() - before)
    posted = await scene.until(lambda: scene.all_posted(numbers))
    took = clock.monotonic() - began
    await scene.settled()
    reviewed, peak, calls = len({review.number for review in scene.stand.posts(numbers)}), activity.peak(), model.peak_in_flight
    bounded = peak <= scene.workers and calls <= scene.workers
    return Promise(
        NAME,
        bounded and posted and acknowledged == len(numbers) and waited > 0,
        f"{acknowledged} acknowledged at once, up to {waited} waited, at most {peak} of {scene.workers} reviews "
        f"and {calls} of {scene.workers} model calls in flight, {reviewed} posted in {took:.1f} s",
    )
