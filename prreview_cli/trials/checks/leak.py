"""Calls that fail and echo the key, at the model, the host and git; then a search of all that is left, for every secret."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Sequence

from prreview_cli.secrecy import Matcher, Secret
from prreview_cli.trials.checks.scene import Scene
from prreview_cli.trials.checks.search import Search, search
from prreview_cli.trials.simulators.behaviours import always, echoes, first
from prreview_cli.trials.simulators.code_host import API, GIT
from prreview_cli.trials.simulators.conversation import Refusal
from prreview_cli.trials.simulators.faults import Answer, Fault
from prreview_cli.trials.simulators.http import Response, json_response
from prreview_cli.trials.stand import REPOSITORY, Stand, ordinary
from prreview_cli.trials.verdict import Promise

NAME = "leak"
PULLS = 7
CANARY = "canary"
_OURS = ("repositories", "secrets")
"""Folders of the trial itself: the simulated host's repositories, and the files that hold the secrets."""


async def check(scene: Scene, numbers: Sequence[int]) -> Promise:
    """Provoke, end the server, search. A canary goes in as a delivery's id and as a file: a search that misses it is blind."""
    stand, canary = scene.stand, secrets.token_hex(24)
    *echoed, plain = numbers
    faults = _provoke(scene, echoed)
    acks = await scene.open(echoed)
    acks += await scene.fire([(plain, stand.again(stand.delivery(plain), delivery_id=canary))])
    finishing = [echoed[0], echoed[3], echoed[5], plain]
    finished = await scene.until(lambda: scene.all_posted(finishing))
    await scene.settled()
    withheld = len(stand.posts([number for number in echoed if number not in finishing]))
    (stand.folder / "state" / "canary").write_bytes(b"before " + base64.b64encode(b"-" + canary.encode()) + b" after")
    ended = await stand.server.drain()
    await stand.server.exited()
    named = {name: Secret(value) for name, value in {**stand.keys.named(), CANARY: canary}.items()}
    result = await asyncio.to_thread(search, stand.folder, _OURS, _sent(stand), Matcher(named))
    return _judge(
        result,
        echoes=sum(fault.times == 0 for fault in faults) + _asked(stand, echoed[:3]),
        wanted=len(faults) + 3,
        sound=finished and not withheld and ended == 0 and all(ack.accepted for ack in acks),
    )


def _provoke(scene: Scene, numbers: Sequence[int]) -> list[Fault]:
    """Let each pull request fail in its own way, once where another try helps."""
    once, for_good, quoted, read, posted, _ = numbers
    keys, api = scene.stand.keys, f"{API}/repos/{REPOSITORY}/pulls"
    said = f"could not authorize x-api-key: {keys.model_api_key}"
    scene.scripts[once] = first(1, Refusal(500, "api_error", said), ordinary())
    scene.scripts[for_good] = always(Refusal(400, "invalid_request_error", said))
    scene.scripts[quoted] = echoes(f"The token is {keys.host_token}, the key {keys.model_api_key}.")
    denied = {"message": f"Bad credentials: Bearer {keys.host_token}"}
    basic = base64.b64encode(f"x-access-token:{keys.host_token}".encode()).decode()
    git = Response(500, f"fatal: {keys.host_token} (Authorization: Basic {basic})\n".encode(), {"content-type": "text/plain"})
    faults = [
        Fault("GET", f"{api}/{read}", Answer(json_response(denied, 500))),
        Fault("POST", f"{api}/{posted}/reviews", Answer(json_response({**denied, "errors": [keys.webhook_secret]}, 422))),
        Fault("GET", f"{GIT}/{REPOSITORY}.git/info/refs", Answer(git)),
    ]
    scene.stand.host.faults += faults
    return faults


def _asked(stand: Stand, numbers: Sequence[int]) -> int:
    """How many of these the model was asked about."""
    names = {f"{REPOSITORY}#{number}" for number in numbers}
    return len({asked.review for asked in stand.model.requests} & names)


def _sent(stand: Stand) -> dict[str, bytes]:
    """What the host was sent and keeps: bodies and paths of all requests, and the posted reviews."""
    sent = {
        f"request {number} to the host": f"{seen.path}\n".encode() + seen.body
        for number, seen in enumerate(tuple(stand.host.requests), 1)
        if seen.route != "git"
    }
    reviews = {f"review {review.id}": f"{review.body}\n{json.dumps(review.comments)}".encode() for review in stand.host.reviews()}
    return sent | reviews


def _judge(result: Search, *, echoes: int, wanted: int, sound: bool) -> Promise:
    planted = result.of(CANARY)
    seeing = "state/canary" in planted and len(planted) > 1
    leaks = result.others(CANARY)
    example = f" ({leaks[0].name} in {leaks[0].place})" if leaks else ""
    unread = f", {len(result.unread)} not searched ({result.unread[0]})" if result.unread else ""
    return Promise(
        NAME,
        seeing and not leaks and not result.unread and echoes == wanted and sound,
        f"{len(leaks)} found{example} in {result.places} files, posts and requests ({result.size / 1e6:.1f} MB){unread}; "
        f"{echoes} of {wanted} kinds of call echoed a secret; the canary was {'found' if seeing else 'NOT found: the search is blind'}"
        f"{'' if sound else '; not all of it went as it must'}",
    )
