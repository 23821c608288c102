"""Many deliveries at once, each of another pull request, until the server is gone; and what it acknowledged."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from itertools import count

import httpx

from prreview_cli.trials.simulators.webhooks import Delivery, signed
from support.stage import Stage

SENDERS = 16


@dataclass(slots=True)
class Flood:
    """`acknowledged` has each delivery's id and its job's, once the answer was 200."""

    stage: Stage
    acknowledged: dict[str, str] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=lambda: count(1001))
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_acknowledged(self, url: str, target: int) -> list[asyncio.Task[None]]:
        """Send, and return once so many are acknowledged in all; the senders go on until the server is gone."""
        sample = json.loads(self.stage.delivery().body)
        senders = [asyncio.create_task(self._send(url, sample)) for _ in range(SENDERS)]
        while len(self.acknowledged) < target:
            self._grown.clear()
            await asyncio.wait([asyncio.ensure_future(self._grown.wait()), *senders], return_when=asyncio.FIRST_COMPLETED, timeout=30)
            if any(sender.done() for sender in senders):
                await asyncio.gather(*senders)
                raise AssertionError("The server was gone too early.")
        return senders

    async def _send(self, url: str, sample: dict[str, object]) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            while True:
                delivery = self._delivery(sample)
                try:
                    answer = await client.post(url, content=delivery.body, headers=delivery.headers)
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                self.acknowledged[delivery.id] = answer.json()["job"]
                self._grown.set()

    def _delivery(self, sample: dict[str, object]) -> Delivery:
        number = next(self._numbers)
        pull = sample["pull_request"]
        assert isinstance(pull, dict)
        head = {**pull["head"], "sha": f"{number:040x}"}
        return signed(
            {**sample, "number": number, "pull_request": {**pull, "number": number, "head": head}}, self.stage.keys.webhook_secret
        )
