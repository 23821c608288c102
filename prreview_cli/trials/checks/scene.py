"""What a check acts in: the stand, deliveries to make, and waiting for what they lead to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from prreview_cli.trials import gauges
from prreview_cli.trials.burst import Ack, Shot, fire
from prreview_cli.trials.gauges import Gauges
from prreview_cli.trials.server_process import PRREVIEW
from prreview_cli.trials.simulators.conversation import Conversation, Reply, Script
from prreview_cli.trials.simulators.model_api import pull_number
from prreview_cli.trials.simulators.webhooks import Delivery
from prreview_cli.trials.stand import Stand, name_of, ordinary

LOOK_S = 0.1
QUIET_LOOKS = 5
"""How often is looked, and how often in a row nothing must go on before that is believed."""
PATIENCE_S = 90.0
"""How long is waited for any one thing before the check is called broken."""


@dataclass(slots=True)
class Scene:
    """Shared by the checks of one drill. `scripts` are the models of single pull requests; all others are reviewed well.

    `look` is called at each look, for whoever watches. `program` is the installed `prreview`.
    """

    stand: Stand
    workers: int
    look: Callable[[], None]
    program: Sequence[str] = PRREVIEW
    patience_s: float = PATIENCE_S
    scripts: dict[int, Script] = field(default_factory=dict)
    _ordinary: Script = field(default_factory=ordinary)

    def script(self, asked: Conversation) -> Reply:
        """For the simulated model."""
        number = pull_number(asked)
        return self.scripts.get(int(number or 0), self._ordinary)(asked)

    async def fire(self, deliveries: Iterable[tuple[int, Delivery]]) -> list[Ack]:
        """Make these deliveries, all at once, each about the pull request of its number."""
        shots = [Shot(name_of(number), delivery) for number, delivery in deliveries]
        return await fire(self.stand.server.ready.webhook, shots, None, self.stand.clock, lambda _ack: None)

    async def open(self, numbers: Iterable[int]) -> list[Ack]:
        """Deliver that these pull requests were opened, all at once."""
        return await self.fire([(number, self.stand.delivery(number)) for number in numbers])

    async def until(self, true: Callable[[], bool]) -> bool:
        """Whether it comes true in time. TrialFailed if the server dies meanwhile."""
        deadline = self.stand.clock.monotonic() + self.patience_s
        while not true():
            if self.stand.clock.monotonic() > deadline:
                return False
            await self._wait()
        return True

    async def settled(self) -> Gauges | None:
        """What the gauges say once nothing goes on any more: all is drained, or the profile paused and nothing held."""
        deadline, quiet, seen = self.stand.clock.monotonic() + self.patience_s, 0, None
        while quiet < QUIET_LOOKS and self.stand.clock.monotonic() < deadline:
            await self._wait()
            seen = await gauges.read(self.stand.server.ready.ops)
            still = seen is not None and seen.running == 0 and (seen.idle or seen.paused)
            quiet = quiet + 1 if still else 0
        return seen

    def all_posted(self, numbers: Sequence[int]) -> bool:
        """Whether each of these has a review."""
        return {review.number for review in self.stand.posts(numbers)} == set(numbers)

    def twice(self, numbers: Sequence[int]) -> int:
        """Reviews posted beyond the first of the same head."""
        heads = Counter((review.number, review.commit_id) for review in self.stand.posts(numbers))
        return sum(count - 1 for count in heads.values())

    async def _wait(self) -> None:
        await self.stand.clock.sleep(LOOK_S)
        self.look()
        if self.stand.server.died:
            raise self.stand.server.failed("The server ended by itself in the midst of the drill.")
