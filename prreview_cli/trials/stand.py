"""Where a trial is held: a simulated host and model, a temporary profile, and a real server between them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from prreview_cli import sandbox
from prreview_cli.core.ports.clock import Clock
from prreview_cli.trials import temporary_profile
from prreview_cli.trials.activity import Activity
from prreview_cli.trials.server_process import SERVE, ServerProcess, serving
from prreview_cli.trials.simulators.behaviours import reviewer
from prreview_cli.trials.simulators.code_host import CodeHost
from prreview_cli.trials.simulators.conversation import Conversation, Script
from prreview_cli.trials.simulators.github_state import Hosted, StoredReview
from prreview_cli.trials.simulators.model_api import ModelApi, pull_number
from prreview_cli.trials.simulators.moments import Moment
from prreview_cli.trials.simulators.webhooks import Delivery, signed
from prreview_cli.trials.temporary_profile import Keys
from prreview_cli.trials.witness import Witness

REPOSITORY = "octo/shop"
TURNS, FIRST_TURN_S, TURN_S = 3, 1.5, 0.15
"""What the scripted model does: so many turns to a review, and so many seconds of thought before the first and
before each other. The first thought is long enough for the workers' calls to meet, as those of a real model do."""


def ordinary() -> Script:
    """The model that reviews well."""
    return reviewer(turns=TURNS, first_wait_s=FIRST_TURN_S, wait_s=TURN_S)


async def missing_layers() -> tuple[str, ...]:
    """The layers of the agent's cell that this machine lacks."""
    absent = sandbox.missing([sandbox.FILES, sandbox.NETWORK], await asyncio.to_thread(sandbox.probe))
    return tuple(layer.name for layer in absent)


@dataclass(slots=True)
class Stand:
    """One trial's stand in `folder`; the stack given to `open` and `serve` takes it down.

    `remember` keeps each model request: a large trial would fill the memory.
    """

    folder: Path
    clock: Clock
    agent: str = "claude"
    remember: bool = False
    keys: Keys = field(default_factory=Keys)
    activity: Activity = field(default_factory=Activity)
    witness: Witness = field(default_factory=Witness)
    host: CodeHost = field(init=False)
    model: ModelApi = field(init=False)
    hosted: Hosted = field(init=False)
    profile: Path = field(init=False)
    server: ServerProcess = field(init=False)
    _serving: Callable[[], AbstractAsyncContextManager[ServerProcess]] = field(init=False)
    _running: AsyncExitStack = field(default_factory=AsyncExitStack)

    def __post_init__(self) -> None:
        self.host = CodeHost(self.folder / "repositories", self.clock, self.keys.host_token, observer=self._observe)
        self.model = ModelApi(
            self.clock,
            self.keys.model_api_key,
            ordinary(),
            naming=_review_of,
            observer=self._observe,
            remember=self.remember,
        )

    def _observe(self, moment: Moment) -> None:
        self.activity.observe(moment)
        self.witness.observe(moment)

    async def open(self, stack: AsyncExitStack, pulls: int) -> None:
        """Start the simulators, with so many pull requests."""
        await stack.enter_async_context(self.host)
        await stack.enter_async_context(self.model)
        self.hosted = await asyncio.to_thread(self.host.add_repository, REPOSITORY, pulls)

    async def serve(
        self,
        stack: AsyncExitStack,
        *,
        workers: int,
        tables: Mapping[str, Mapping[str, Any]] | None = None,
        allow_unsandboxed: bool = False,
        command: Sequence[str] = SERVE,
    ) -> None:
        """Start the server, with these tables in its profile. TrialFailed if it does not begin."""
        addresses = {"model_url": self.model.url, "api_url": self.host.api_url, "git_url": self.host.git_url}
        self.profile = temporary_profile.write(self.folder, self.keys, workers=workers, tables=tables, **addresses)
        arguments = ["--profile", str(self.profile), "--port", "0", "--ops-port", "0"]
        if self.agent != "claude":
            arguments += ["--agent", self.agent]
        if allow_unsandboxed:
            arguments.append("--allow-unsandboxed")
        self._serving = partial(serving, arguments, self.folder, command)
        await stack.enter_async_context(self._running)
        await self.serve_again()

    async def serve_again(self) -> None:
        """Start a server, after the former one has ended. TrialFailed if it does not begin."""
        await self._running.aclose()
        self.server = await self._running.enter_async_context(self._serving())

    @property
    def database(self) -> Path:
        """The server's."""
        return self.folder / "state" / "queue.db"

    async def more(self, numbers: Sequence[int]) -> None:
        """Open so many pull requests more, with these numbers."""
        await asyncio.to_thread(self.host.add_pulls, self.hosted, numbers)

    def delivery(self, number: int, action: str = "opened") -> Delivery:
        """A signed webhook about a pull request as it is now."""
        return self.host.delivery(self.hosted, number, self.keys.webhook_secret, action)

    def again(self, delivery: Delivery, delivery_id: str | None = None) -> Delivery:
        """The same body under another id."""
        return signed(delivery.body, self.keys.webhook_secret, delivery_id=delivery_id)

    def posts(self, numbers: Sequence[int]) -> list[StoredReview]:
        """The reviews that were posted on these pull requests."""
        return [review for review in self.host.reviews() if review.number in numbers]


def name_of(number: int) -> str:
    """What the trials call the review of a pull request."""
    return f"{REPOSITORY}#{number}"


def _review_of(asked: Conversation) -> str | None:
    number = pull_number(asked)
    return None if number is None else name_of(int(number))
