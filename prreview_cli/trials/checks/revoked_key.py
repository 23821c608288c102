"""A key revoked in the middle posts nothing and pauses; the jobs are kept, and all finish after `prreview resume`."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from urllib.parse import urljoin

from prreview_cli.trials.checks.scene import Scene
from prreview_cli.trials.server_process import environment
from prreview_cli.trials.simulators.behaviours import held, key_rejected
from prreview_cli.trials.simulators.loopback import Gate
from prreview_cli.trials.stand import ordinary
from prreview_cli.trials.verdict import Promise
from prreview_cli.trials.wire import exchange

NAME = "revoked-key"
PULLS = 7
RESUME_S = 60.0


async def check(scene: Scene, numbers: Sequence[int]) -> Promise:
    """All workers are held in their first model call when the key dies; the last pull request comes during the pause."""
    stand, model, gate = scene.stand, scene.stand.model, Gate()
    scene.scripts.update(dict.fromkeys(numbers, held(gate, ordinary())))
    acks = await scene.open(numbers[:-1])
    running = await scene.until(lambda: gate.arrived >= min(scene.workers, len(numbers) - 1))
    # The provider's refusal gives the key away: what is stored and logged of it is searched by the check named leak.
    model.rejection = key_rejected(f"invalid x-api-key: {stand.keys.model_api_key}")
    model.revoke_key()
    asked_before = len(model.requests)
    gate.open()
    await scene.until(lambda: len(model.requests) > asked_before)
    seen = await scene.settled()
    ready, healthy = await _status(stand.server.ready.ops, "/readyz"), await _status(stand.server.ready.webhook, "/healthz")
    acks += await scene.open(numbers[-1:])
    await scene.settled()
    asked, posted = len(model.requests) - asked_before, len(stand.posts(numbers))
    model.restore_key()
    resumed = await _resume(scene)
    finished = await scene.until(lambda: scene.all_posted(numbers)) if resumed == 0 else False
    await scene.settled()
    reviewed, twice = len({review.number for review in stand.posts(numbers)}), scene.twice(numbers)
    paused, accepted = seen is not None and seen.paused, sum(ack.accepted for ack in acks)
    silent = posted == 0 and 0 < asked <= scene.workers
    told = paused and (ready, healthy) == (503, 200)
    return Promise(
        NAME,
        running and silent and told and accepted == len(acks) and finished and not twice,
        f"{posted} posted and {asked} model requests from {scene.workers} slots once it was dead, "
        f"{'paused' if paused else 'not paused'}, readyz {ready}, healthz {healthy}, resume {resumed}, "
        f"then {reviewed} of {len(numbers)} posted, {twice} twice",
    )


async def _status(url: str, path: str) -> int:
    """The status of a page of the listener at this URL; 0 if there is no answer."""
    try:
        status, _ = await asyncio.wait_for(exchange(urljoin(url, path)), 10)
    except (OSError, EOFError, ValueError):
        return 0
    return status


async def _resume(scene: Scene) -> int:
    """The exit code of `prreview resume`; what it says is kept in the trial's folder."""
    folder = scene.stand.folder
    with (folder / "resume.log").open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *[*scene.program, "resume", "--profile", str(scene.stand.profile)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=environment(folder),
            cwd=folder,
        )
        try:
            return await asyncio.wait_for(process.wait(), RESUME_S)
        except TimeoutError:
            return -1
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
